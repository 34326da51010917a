"""kallsyms tables of every layout, the symbol table, its cache, exports and anchors."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from kpatch.errors import BadInput
from kpatch.kernel.image import KernelImage
from kpatch.kernel.ksymtab import Exports, choose_anchors
from kpatch.kernel.symbols import Symbol, SymbolTable, load_symbols, read_map
from tests.unit import fake_kernel as fake

LAYOUTS = ["5.10", "6.2", "6.4", "percpu", "7.2"]
PERCPU: list[fake.Entry] = [("A", "__per_cpu_start", 0), ("A", "this_cpu_off", 0x40), ("A", "__per_cpu_end", 0x80)]


def _image(entries: list[fake.Entry], layout: str) -> KernelImage:
    return KernelImage(fake.vmlinux(fake.kallsyms_tables(entries, layout, fake.RODATA)), "fake", "0" * 64)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [513, 700, 768, 769])
def test_every_layout_is_decoded(layout: str, count: int) -> None:
    entries = (PERCPU if layout == "percpu" else []) + fake.many_symbols(count)
    table = load_symbols(_image(entries, layout))
    assert table.names == [name for _, name, _ in entries]
    assert table.addresses == [address for _, _, address in entries]
    assert table.types == "".join(kind for kind, _, _ in entries)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_cut_off_are_told_not_crashed_on(layout: str) -> None:
    tables = fake.kallsyms_tables(fake.many_symbols(), layout, fake.RODATA)
    for start in range(1, len(tables), len(tables) // 40):
        for piece in (tables[start:], tables[:start]):
            image = KernelImage(fake.vmlinux(piece), "cut", "0" * 64)
            try:
                table = load_symbols(image)
            except BadInput as error:
                assert error.hint
            else:
                assert table.unique("_text"), "only tables that lost nothing of value may be read"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_byte_of_the_tables_is_told_or_does_not_matter(layout: str) -> None:
    tables = fake.kallsyms_tables(fake.many_symbols(), layout, fake.RODATA)
    for at in range(0, len(tables), 41):
        for value in (0, 0xFF):
            damaged = tables[:at] + bytes([value]) + tables[at + 1 :]
            try:
                load_symbols(KernelImage(fake.vmlinux(damaged), "damaged", "0" * 64))
            except BadInput as error:
                assert error.hint


def test_an_image_without_code_has_no_symbols() -> None:
    kernel = bytearray(fake.vmlinux(fake.kallsyms_tables(fake.many_symbols(), "6.2", fake.RODATA)))
    struct.pack_into("<I", kernel, 64 + 4, 4)
    with pytest.raises(BadInput, match="no kallsyms tables"):
        load_symbols(KernelImage(bytes(kernel), "damaged", "0" * 64))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_looking_for_damaged_tables_takes_seconds_not_minutes(layout: str) -> None:
    tables = fake.kallsyms_tables(fake.many_symbols(), layout, fake.RODATA)
    before = bytes(1 << 20) + struct.pack("<II", 0, 1000) * (1 << 15)
    damaged = before + tables.replace(b"function_5", b"\0" * 10).replace(b"\x815", bytes(2))
    begin = time.process_time()
    with pytest.raises(BadInput):
        load_symbols(KernelImage(fake.vmlinux(damaged), "damaged", "0" * 64))
    assert time.process_time() - begin < 5, "seconds of the processor"


def test_the_symbol_table_of_an_image_is_read_and_names_without_end_are_told() -> None:
    kernel = fake.vmlinux(b"")
    image = KernelImage(fake.with_symbols(kernel, b"\0one\0two\0", (1, 5)), "vmlinux", "0" * 64)
    assert load_symbols(image).names == ["one", "two"]
    endless = fake.with_symbols(kernel, b"\0" + b"x" * 10000 + b"\0", range(1, 1000))
    with pytest.raises(BadInput, match="names of its symbol table"):
        load_symbols(KernelImage(endless, "vmlinux", "0" * 64))


def _table() -> SymbolTable:
    return SymbolTable(
        ["d", "a", "twin", "twin", "alias", "__per_cpu_start", "__per_cpu_end"],
        [0x500, 0x100, 0x300, 0x200, 0x200, 0, 0x40],
        "TTttTAA",
    )


def test_lookup_by_name_address_and_rank() -> None:
    table = _table()
    first, second = table.named("twin")
    assert (first.address, second.address) == (0x200, 0x300)
    assert (table.position(first), table.position(second)) == (1, 2)
    assert table.unique("twin") is None and table.named("none") == []
    assert table.unique("d") == Symbol("d", 0x500, "T") and table.position(Symbol("d", 0x500, "T")) == 0
    assert {symbol.name for symbol in table.at(0x200)} == {"twin", "alias"} and table.at(0x201) == []
    assert table.size(first) == 0x100 and table.size(Symbol("d", 0x500, "T")) == 0
    covering = table.covering(0x4FF)
    assert covering and covering[0].name == "twin" and covering[1] == 0x1FF
    assert table.is_percpu(0x3F) and not table.is_percpu(0x40)


def test_the_cache_gives_the_same_and_heals(tmp_path: Path) -> None:
    image = _image(fake.many_symbols(), "6.4")
    plain = load_symbols(image, tmp_path)
    (kept,) = tmp_path.iterdir()
    for damage in (None, b"", kept.read_bytes()[:-1], b"\0" + kept.read_bytes()[1:], kept.read_bytes()[:-1] + b"!"):
        if damage is not None:
            kept.write_bytes(damage)
        again = load_symbols(image, tmp_path)
        assert (again.names, again.addresses, again.types) == (plain.names, plain.addresses, plain.types)
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]


def test_system_map_and_stubs(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_text("ffffffff81000000 T _text\nffffffff81000100 t one\nffffffffc0000000 t two\t[module]\n")
    assert read_map(path).names == ["_text", "one"]
    for text in ("ffffffffffffffff B The real System.map is in the package\n", "0000000000000000 T _text\n", ""):
        path.write_text(text)
        with pytest.raises(BadInput) as caught:
            read_map(path)
        assert caught.value.hint


SYMVERS = """\
0x11111111\tspaced\tvmlinux\tEXPORT_SYMBOL_GPL\tSOMEWHERE
0x22222222\ttwin\tvmlinux\tEXPORT_SYMBOL\t
0x33333333\td\tvmlinux\tEXPORT_SYMBOL\t
0x44444444\tof_module\tfs/ext4/ext4\tEXPORT_SYMBOL_GPL\t
0x55555555\t__per_cpu_end_\tvmlinux\tEXPORT_SYMBOL
"""


def test_exports_and_anchors(tmp_path: Path) -> None:
    path = tmp_path / "Module.symvers"
    path.write_text(SYMVERS)
    exports = Exports.read(path)
    spaced, module = exports.get("spaced"), exports.get("of_module")
    assert spaced and spaced.crc == 0x11111111 and spaced.gpl_only and spaced.namespace == "SOMEWHERE"
    assert module and module.module == "fs/ext4/ext4" and exports.by_kernel("of_module") is None
    anchors = choose_anchors(exports, _table())
    assert anchors.kernel.name == "d", "no namespace, no namesakes"
    assert anchors.percpu is None and anchors.for_address(0x10, _table()) is None
    assert anchors.for_address(0x100, _table()) == anchors.kernel


@pytest.mark.parametrize(
    "text", ["", "hello\n", "0xzz\ta\tvmlinux\tEXPORT_SYMBOL\t\n", "0x1\ta\tmod\tEXPORT_SYMBOL\t\n"]
)
def test_a_file_that_is_no_symvers_is_told(text: str, tmp_path: Path) -> None:
    path = tmp_path / "Module.symvers"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        Exports.read(path)
    assert caught.value.hint


def test_the_namespace_stands_last_or_behind_the_name(tmp_path: Path) -> None:
    path = tmp_path / "Module.symvers"
    path.write_text("0x1\tone\tUSB\tdrivers/usb\tEXPORT_SYMBOL\n0x2\ttwo\t\tvmlinux\tEXPORT_SYMBOL_GPL\n")
    older = Exports.read(path)
    path.write_text("0x1\tone\tdrivers/usb\tEXPORT_SYMBOL\tUSB\n0x2\ttwo\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
    assert list(older) == list(Exports.read(path))
