"""The model of relocatable objects: what is written is read back, and damage is told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import BadInput

X86_64 = c.EM_X86_64


def _object(order: str = "<") -> ElfObject:
    obj = ElfObject(X86_64, order)
    text = obj.add_section(
        Section(".text.f", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=b"\xe8\0\0\0\0\xc3", addralign=16)
    )
    obj.add_section(Section(".bss.n", c.SHT_NOBITS, c.SHF_ALLOC | c.SHF_WRITE, size=4096, addralign=32))
    sink = obj.add_symbol(Symbol("sink", bind=c.STB_GLOBAL))
    obj.add_symbol(Symbol("f", text, 0, 6, c.STB_GLOBAL, c.STT_FUNC))
    text.relocs.append(Reloc(1, 4, sink, -4))
    return obj


def _field(data: bytes, name: str, field: int, width: int, value: int) -> bytes:
    """The object ``data`` with a field of the section header of ``name`` changed."""
    obj = ElfObject.parse(data)
    names = struct.unpack_from("<H", data, 62)[0]
    start = struct.unpack_from("<Q", data, 40)[0]
    table = struct.unpack_from("<Q", data, start + 64 * names + 24)[0]
    for number in range(struct.unpack_from("<H", data, 60)[0]):
        at = start + 64 * number
        text = data[table + struct.unpack_from("<I", data, at)[0] :].split(b"\0")[0].decode()
        if text == name:
            return data[: at + field] + value.to_bytes(width, "little") + data[at + field + width :]
    raise AssertionError(f"{obj} has no section {name}")


@pytest.mark.parametrize("order", ["<", ">"])
def test_written_object_is_read_back(order: str) -> None:
    obj = ElfObject.parse(_object(order).to_bytes())
    text, bss = obj.sections
    assert (obj.machine, obj.order) == (X86_64, order)
    assert (text.name, text.data, text.addralign, text.is_text) == (".text.f", b"\xe8\0\0\0\0\xc3", 16, True)
    assert (bss.type, bss.size, bss.data) == (c.SHT_NOBITS, 4096, b"")
    [reloc] = text.relocs
    assert (reloc.offset, reloc.type, reloc.addend, reloc.symbol.name) == (1, 4, -4, "sink")
    assert reloc.symbol.is_undefined
    function = obj.symbol("f")
    assert function is not None and (function.section, function.size, function.bind) == (text, 6, c.STB_GLOBAL)


def test_same_object_gives_same_bytes() -> None:
    assert _object().to_bytes() == _object().to_bytes()


def test_local_symbols_come_first() -> None:
    obj = ElfObject.parse(_object().to_bytes())
    binds = [symbol.bind != c.STB_LOCAL for symbol in obj.symbols]
    assert binds == sorted(binds)


def test_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        ElfObject.read(tmp_path / "none.o")
    with pytest.raises(BadInput, match="cannot read"):
        ElfObject.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "field", "width", "value", "message"),
    [
        (".text.f", 4, 4, c.SHT_NOBITS, "holds code, but has no contents"),
        (".text.f", 4, 4, c.SHT_REL, "without addends"),
        (".text.f", 24, 8, 1 << 40, "outside of the file"),
        (".text.f", 32, 8, 1 << 62, "larger than any kernel object"),
        (".text.f", 32, 8, 5, "symbol 'f' lies outside"),
        (".text.f", 48, 8, 3, "no power of two"),
        (".text.f", 48, 8, 1 << 40, "larger than any kernel object"),
        (".bss.n", 32, 8, 1 << 40, "larger than any kernel object"),
        (".symtab", 32, 8, 25, "cut off"),
        (".symtab", 32, 8, 0, "cut off"),
        (".symtab", 40, 4, 999, "no string table"),
        (".symtab", 4, 4, c.SHT_PROGBITS, "no symbol table"),
        (".rela.text.f", 44, 4, 999, "belongs to no section"),
        (".rela.text.f", 32, 8, 23, "cut off"),
        (".strtab", 32, 8, 2, "outside of its string table"),
    ],
)
def test_damaged_section_header_is_told(name: str, field: int, width: int, value: int, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        ElfObject.parse(_field(_object().to_bytes(), name, field, width, value), "x.o")
    assert caught.value.message.startswith("x.o: ") and caught.value.hint


@pytest.mark.parametrize(
    ("at", "width", "value", "message"),
    [
        (0, 4, 0, "not an ELF file"),
        (4, 1, 1, "not a 64 bit ELF file"),
        (5, 1, 7, "not a 64 bit ELF file"),
        (16, 2, 2, "not a relocatable object"),
        (40, 8, 1 << 63, "no section headers"),
        (58, 2, 40, "no section headers"),
        (60, 2, 5000, "outside of the file"),
    ],
)
def test_damaged_file_header_is_told(at: int, width: int, value: int, message: str) -> None:
    data = _object().to_bytes()
    with pytest.raises(BadInput, match=message):
        ElfObject.parse(data[:at] + value.to_bytes(width, "little") + data[at + width :])


def test_damaged_relocation_is_told_when_it_is_read() -> None:
    obj = _object()
    obj.sections[0].relocs[0].offset = 6
    read = ElfObject.parse(obj.to_bytes())
    with pytest.raises(BadInput, match=r"relocation at 0x6 is outside of section \.text\.f"):
        _ = read.sections[0].relocs


def test_symbol_of_a_section_that_does_not_exist_is_told() -> None:
    obj = _object()
    obj.add_symbol(Symbol("lost", None, shndx=0x500))
    with pytest.raises(BadInput, match="'lost' names a section that does not exist"):
        ElfObject.parse(obj.to_bytes())


def test_names_without_end_are_told() -> None:
    """Thousands of symbols, each with most of a string table for a name, are more than the memory holds."""
    obj = _object()
    obj.add_symbol(Symbol("x" * 20000, obj.sections[0]))
    with pytest.raises(BadInput, match="has no end"):
        ElfObject.parse(obj.to_bytes())


def test_special_section_indexes_are_kept() -> None:
    obj = _object()
    obj.add_symbol(Symbol("absolute", None, 0x1234, shndx=c.SHN_ABS))
    symbol = next(symbol for symbol in ElfObject.parse(obj.to_bytes()).symbols if symbol.name == "absolute")
    assert (symbol.section, symbol.shndx, symbol.value, symbol.is_undefined) == (None, c.SHN_ABS, 0x1234, False)


def test_many_sections_are_read_by_extended_indexes() -> None:
    """More than 0xff00 sections: gABI's SHN_XINDEX and SHT_SYMTAB_SHNDX."""
    obj = ElfObject(X86_64)
    for number in range(20):
        section = obj.add_section(Section(f".text.f{number}", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=b"\xc3"))
        obj.add_symbol(Symbol(f"f{number}", section, 0, 1, c.STB_GLOBAL, c.STT_FUNC))
    data = bytearray(obj.to_bytes())
    # spell the indexes of all symbols by an extended table
    headers, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, headers + 64 * at) for at in range(count)]
    at, table = next((at, row) for at, row in enumerate(rows) if row[1] == c.SHT_SYMTAB)
    words = []
    for place in range(table[4], table[4] + table[5], 24):
        words.append(struct.unpack_from("<H", data, place + 6)[0])
        if words[-1]:
            struct.pack_into("<H", data, place + 6, c.SHN_XINDEX)
    extra = struct.pack(f"<{len(words)}I", *words)
    new_headers = len(data) + len(extra)
    copied = bytes(data[headers : headers + 64 * count])
    data += extra + copied
    data += struct.pack("<IIQQQQIIQQ", 0, c.SHT_SYMTAB_SHNDX, 0, 0, new_headers - len(extra), len(extra), at, 0, 4, 4)
    struct.pack_into("<Q", data, 40, new_headers)
    struct.pack_into("<H", data, 60, count + 1)
    read = ElfObject.parse(bytes(data))
    assert [symbol.section.name for symbol in read.symbols if symbol.name and symbol.section] == [
        f".text.f{number}" for number in range(20)
    ]
