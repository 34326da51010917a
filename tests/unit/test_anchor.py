"""Anchored relocations, checked by linking what comes out against the exports alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.build.anchor import Anchorer, anchor_object
from kpatch.build.match import Match, match_object
from kpatch.elf.object import ElfObject
from kpatch.errors import Unpatchable
from kpatch.kernel.ksymtab import Anchors, Export, Exports, choose_anchors
from kpatch.kernel.symbols import Symbol, SymbolTable
from tests.unit import tiny_kernel

PATCH = r"""
extern int exported(const char *text, int value);
extern int hidden, counter;
extern int twin(int value);
int patched(int value) { return twin(value) + hidden++ + counter + exported("new", (int)(long)&hidden); }
"""
SPACED = Export("exported", 0, "vmlinux", True, "NAMESPACE")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tiny_kernel.Tiny:
    return tiny_kernel.build(tmp_path_factory.mktemp("tiny"))


def _link(obj: Path, target: Path, **addresses: int) -> bytes:
    symbols = [f"--defsym={name}={address:#x}" for name, address in addresses.items()]
    place = ["-Ttext=0xffffffffa0000000", "-z", "noexecstack", "-e", "patched"]
    subprocess.run(["ld", *place, *symbols, "-o", target, obj], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", target, f"{target}.bin"], check=True)
    return Path(f"{target}.bin").read_bytes()


def test_linked_against_the_export_alone_it_is_what_full_knowledge_gives(
    tiny: tiny_kernel.Tiny, tmp_path: Path
) -> None:
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o")
    match = match_object(tiny.original, tiny.image, tiny.symbols, functions=["twin", "own"])
    names = ("exported", "hidden", "counter", "twin")
    expected = _link(tmp_path / "patch.o", tmp_path / "expected", **{name: match.addresses[name] for name in names})
    result = anchor_object(patch, tiny.exports, tiny.symbols, match)
    (tmp_path / "anchored.o").write_bytes(patch.to_bytes())
    assert _link(tmp_path / "anchored.o", tmp_path / "linked", exported=match.addresses["exported"]) == expected
    assert {symbol.name for symbol in ElfObject.read(tmp_path / "anchored.o").symbols if symbol.is_undefined} == {
        "exported"
    }
    assert result.kept == ["exported"]
    assert {symbol.name: symbol.source for symbol in result.anchored} == dict.fromkeys(names[1:], "match")
    assert result.to_json()["anchored"][0]["anchor"] == "exported"


def test_names_that_shipped_code_does_not_tell_are_refused_all_at_once(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    source = PATCH.replace("hidden++", "hidden++ + nowhere()").replace(
        "extern int hidden", "int nowhere(void); extern int hidden"
    )
    patch = tiny_kernel.compile_object(source, tmp_path / "patch.o")
    with pytest.raises(Unpatchable) as caught:
        anchor_object(patch, tiny.exports, tiny.symbols)
    for name in ("twin (2 symbols have this name", "counter (2 symbols", "nowhere (not in"):
        assert name in caught.value.message
    assert "hidden" not in caught.value.message.replace("hidden_function", "") and caught.value.hint


def test_a_weak_reference_to_nothing_stays_one(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    source = "extern int lacking(int) __attribute__((weak)), hidden_function(int *) __attribute__((weak));\n"
    source += "int patched(int n) { return (lacking ? lacking(n) : 1) + (hidden_function ? 2 : 3); }\n"
    patch = tiny_kernel.compile_object(source, tmp_path / "patch.o")
    linked_to_nothing = Match(addresses={"lacking": 0})
    result = anchor_object(patch, tiny.exports, tiny.symbols, linked_to_nothing)
    assert result.kept == ["lacking"] and [symbol.name for symbol in result.anchored] == ["hidden_function"]
    left = [symbol for symbol in patch.symbols if symbol.is_undefined and symbol.name]
    assert [(symbol.name, symbol.bind) for symbol in left] == [("lacking", 2), ("exported", 1)]


def test_provided_symbols_and_namespaces(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o")
    exports = Exports([SPACED, Export("hidden", 0, "vmlinux", False, ""), Export("twin", 0, "net/a-b", False, "")])
    result = anchor_object(patch, exports, tiny.symbols, provided=["counter"])
    assert result.namespaces == {"NAMESPACE"} and result.modules == {"a_b"} and not result.anchored
    only_modules = Exports([SPACED._replace(namespace="module:kvm"), Export("hidden", 0, "vmlinux", False, "")])
    result = anchor_object(patch, only_modules, tiny.symbols, provided=["counter", "twin"])
    assert [symbol.name for symbol in result.anchored] == ["exported"]


def test_an_export_is_not_taken_for_a_local_namesake(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o")
    exports = Exports([Export("exported", 0, "vmlinux", True, ""), Export("hidden", 0, "vmlinux", True, "")])
    local = Match(addresses={"hidden": 0xFFFFFFFF81000010, "twin": 0xFFFFFFFF81000020, "counter": 0xFFFFFFFF81000030})
    result = anchor_object(patch, exports, tiny.symbols, local)
    assert result.kept == ["exported"] and {symbol.name for symbol in result.anchored} == {"hidden", "twin", "counter"}


def test_per_cpu_symbols_need_a_per_cpu_anchor() -> None:
    table = SymbolTable(
        ["__per_cpu_start", "this_cpu_off", "runqueues", "__per_cpu_end", "_printk", "x"],
        [0, 0x40, 0x80, 0x1000, 0xFFFFFFFF81000000, 0xFFFFFFFF81000100],
        "AAAATt",
    )
    exports = Exports([Export(name, 0, "vmlinux", False, "") for name in ("_printk", "this_cpu_off")])
    anchors = choose_anchors(exports, table)
    anchorer = Anchorer(ElfObject(62), anchors, table)
    runqueues, code = anchorer.reloc(0, 11, 0x80, 4), anchorer.reloc(8, 1, 0xFFFFFFFF81000100)
    assert (runqueues.symbol.name, runqueues.addend) == ("this_cpu_off", 0x44)
    assert (code.symbol.name, code.addend) == ("_printk", 0x100)
    without = Anchorer(ElfObject(62), Anchors(Symbol("_printk", 1 << 63, "T"), None), table)
    with pytest.raises(Unpatchable, match="per-CPU"):
        without.reloc(0, 11, 0x80)


def test_memory_that_is_freed_after_boot_is_refused(tmp_path: Path) -> None:
    base = 0xFFFFFFFF81000000
    table = SymbolTable(
        ["exported", "__init_begin", "hidden", "__init_end", "twin", "counter"],
        [base, base + 0x1000, base + 0x1100, base + 0x2000, base + 0x3000, base + 0x4000],
        "TDtDtb",
    )
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o")
    with pytest.raises(Unpatchable, match=r"hidden \(its memory is freed"):
        anchor_object(patch, Exports([Export("exported", 0, "vmlinux", True, "")]), table)
