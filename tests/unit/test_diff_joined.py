"""Objects that ``ld -r`` made of several: local symbols of one name."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.diff.result import DiffResult
from kpatch.elf.object import ElfObject

SOURCE = """
extern int out(int);
static int state;
static __attribute__((noinline)) int helper(int n) { return out(n) OP state++; }
static __attribute__((noinline)) int copied(int n) { return out(n + 1) * 2; }
int ENTRY(int n) { return helper(n) + copied(n) + VALUE; }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"]


def _joined(directory: Path, name: str, *values: int) -> ElfObject:
    parts = []
    for entry, operator, value in zip("ab", "+-", values):
        parts.append(str(directory / f"{name}-{entry}.o"))
        macros = [f"-DENTRY={entry}", f"-DOP={operator}", f"-DVALUE={value}"]
        argv = ["gcc", *FLAGS, *SECTIONS, *macros, "-x", "c", "-c", "-o", parts[-1], "-"]
        subprocess.run(argv, input=SOURCE, text=True, check=True)
    output = directory / f"{name}.o"
    subprocess.run(["ld", "-r", "-o", str(output), *parts], check=True)
    return ElfObject.read(output)


def _diff(directory: Path, *values: int) -> DiffResult:
    return diff_objects(_joined(directory, "original", 3, 3), _joined(directory, "patched", *values))


def test_namesakes_are_told_apart(tmp_path: Path) -> None:
    assert _diff(tmp_path, 3, 3).status == "unchanged"
    result = _diff(tmp_path, 3, 7)
    assert [function.name for function in result.changed_functions] == ["b"]
    assert result.references == ["__fentry__", "copied", "helper"]


def test_one_name_for_two_things_is_refused(tmp_path: Path) -> None:
    refused = {(row.code, row.symbol) for row in _diff(tmp_path, 5, 7).refusals}
    assert refused == {("ambiguous-name", "copied"), ("ambiguous-name", "helper")}
