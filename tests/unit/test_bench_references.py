"""The check of a built module's references finds each way in which one can be wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.references import Report, check_module
from kpatch.elf.object import ElfObject, Reloc, Section
from kpatch.kernel.symbols import SymbolTable

SOURCE = """
extern int secret(int), counter, exported(const char *);
static int calls;
int changed(int x) { calls += 7; counter = 1; return secret(x) + exported("a message"); }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"]
KERNEL = {"changed": 0x1000, "secret": 0x2000, "exported": 0x3000, "counter": 0x4000, "calls": 0x5000, "other": 0x6000}
SYMBOLS = SymbolTable(list(KERNEL), list(KERNEL.values()), "tTTddt")


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """The patched object."""
    output = tmp_path / "patched.o"
    argv = ["gcc", *FLAGS, "-ffunction-sections", "-fdata-sections", "-x", "c", "-c", "-o", str(output), "-"]
    subprocess.run(argv, input=SOURCE, text=True, check=True)
    return output


def _module(patched: Path) -> ElfObject:
    """What kpatch-build would make of it: all of the kernel's symbols reached from ``exported``."""
    obj = ElfObject.read(patched)
    anchor = next(symbol for symbol in obj.symbols if symbol.name == "exported")
    for section in obj.sections:
        for reloc in section.relocs:
            name = reloc.symbol.name or (reloc.symbol.section.name[5:] if reloc.symbol.section else "")
            if name in KERNEL:
                reloc.symbol, reloc.addend = anchor, KERNEL[name] - KERNEL["exported"] + reloc.addend
    obj.symbols = [symbol for symbol in obj.symbols if symbol.name in ("changed", "exported", "") or symbol.section]
    obj.symbols = [symbol for symbol in obj.symbols if symbol.name != "calls"]
    strings = obj.add_section(Section(".kpatch.strings", data=b"changed\0"))
    table = obj.add_section(Section(".kpatch.funcs", data=bytes(56), addralign=8))
    new = obj.symbol("changed")
    assert new is not None and strings.symbol is not None
    table.relocs = [
        Reloc(0, 1, new, 0),
        Reloc(8, 1, anchor, KERNEL["changed"] - KERNEL["exported"]),
        Reloc(16, 1, strings.symbol, 0),
    ]
    return obj


def _check(patched: Path, spoil: Callable[[ElfObject], None] = lambda obj: None) -> Report:
    module = _module(patched)
    spoil(module)
    path = patched.with_name("kpatch-test.ko")
    path.write_bytes(module.to_bytes())
    return check_module(path, [patched], SYMBOLS)


def _code(obj: ElfObject) -> Section:
    section = obj.section(".text.changed")
    assert section is not None
    return section


def test_right_references_pass(patched: Path) -> None:
    report = _check(patched)
    assert (report.faults, report.namesakes) == ([], 0)
    assert report.checked >= 6


def test_each_wrong_address_is_found(patched: Path) -> None:
    relocs = [reloc for reloc in _code(_module(patched)).relocs if reloc.symbol.name == "exported"]
    assert len(relocs) >= 4
    for reloc in relocs:

        def spoil(obj: ElfObject, offset: int = reloc.offset) -> None:
            next(each for each in _code(obj).relocs if each.offset == offset).addend += 8

        (fault,) = _check(patched, spoil).faults
        assert fault.startswith(f"changed+{reloc.offset:#x}: ")


def test_a_lost_reference_a_changed_byte_and_a_wrong_old_address_are_found(patched: Path) -> None:
    def lose(obj: ElfObject) -> None:
        _code(obj).relocs = _code(obj).relocs[1:]

    def change(obj: ElfObject) -> None:
        code = _code(obj)
        code.data = code.data[:-1] + bytes([code.data[-1] ^ 1])

    def move(obj: ElfObject) -> None:
        table = obj.section(".kpatch.funcs")
        assert table is not None
        table.relocs[1].addend += 0x10

    for spoil, told in ((lose, "is gone"), (change, "its code is not"), (move, "changed is not at")):
        assert any(told in fault for fault in _check(patched, spoil).faults)


def test_another_text_is_found(patched: Path) -> None:
    def spoil(obj: ElfObject) -> None:
        (strings,) = (section for section in obj.sections if section.name.startswith(".rodata"))
        strings.data = strings.data.replace(b"a message", b"a massage")

    (fault,) = _check(patched, spoil).faults
    assert "a massage" in fault
