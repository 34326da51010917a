"""Functions that share a section (``__sched``): the assembler resolved their jumps into each other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.diff.api import diff_objects
from kpatch.diff.result import DiffResult
from kpatch.elf.object import ElfObject

SOURCE = """
#define __sched __attribute__((section(".sched.text"), noipa))
extern void out(int);
static void __sched slow(int *lock) { out(*lock); asm volatile(""); }
void __sched unrelated(int *lock) { *lock = 7; }
void __sched fast(int *lock) { CHANGE if (!*lock) { slow(lock); return; } *lock = 0; }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"]


def _compile(directory: Path, name: str, change: str) -> ElfObject:
    output = directory / f"{name}.o"
    argv = ["gcc", *FLAGS, *SECTIONS, f"-DCHANGE={change}", "-x", "c", "-c", "-o", str(output), "-"]
    subprocess.run(argv, input=SOURCE, text=True, check=True)
    return ElfObject.read(output)


@pytest.fixture
def result(tmp_path: Path) -> DiffResult:
    """A change in ``fast``, which reaches ``slow`` by a short jump."""
    return diff_objects(_compile(tmp_path, "original", ""), _compile(tmp_path, "patched", "out(1);"))


def test_what_a_short_jump_reaches_comes_along(result: DiffResult) -> None:
    assert [function.name for function in result.changed_functions] == ["fast"]
    assert result.out is not None
    assert {symbol.name for symbol in result.out.symbols if symbol.section and symbol.size} == {"fast", "slow"}


def test_every_hook_entry_leads_into_the_patch(result: DiffResult) -> None:
    assert result.out is not None
    table = result.out.section("__mcount_loc")
    assert table is not None
    assert sorted(reloc.symbol.name for reloc in table.relocs) == ["fast", "slow"]
    assert all(reloc.symbol.section is not None for reloc in table.relocs)


def test_resolved_jumps_are_relocated_and_their_fields_empty(result: DiffResult) -> None:
    assert result.out is not None
    for section in result.out.sections:
        if section.is_text:
            for reloc in section.relocs:
                assert section.data[reloc.offset : reloc.offset + 4] == bytes(4), "the module loader refuses the rest"
