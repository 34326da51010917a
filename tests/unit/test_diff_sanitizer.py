"""Kernels with UBSAN: the compiler tells where each check stands, in writable data without symbols."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject

SOURCE = """
int values[4];
extern void out(int);
LINES
int unchanged(int n) { out(n); return values[n]; }
int changed(int n, int by) { CHANGE return values[n + by]; }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables", "-fsanitize=bounds-strict"]


def _compile(directory: Path, name: str, change: str, lines: str) -> ElfObject:
    output = directory / f"{name}.o"
    argv = ["gcc", *FLAGS, *SECTIONS, f"-DCHANGE={change}", "-x", "c", "-c", "-o", str(output), "-"]
    subprocess.run(argv, input=SOURCE.replace("LINES", lines), text=True, check=True)
    return ElfObject.read(output)


def test_a_check_comes_along_with_its_function_and_its_line_is_no_change(tmp_path: Path) -> None:
    original = _compile(tmp_path, "original", "", "")
    patched = _compile(tmp_path, "patched", "if (by > 3) out(values[by]);", "\n\n")
    assert any(section.name.startswith(".data..Lubsan_data") for section in original.sections), "as 7.2 has it"
    result = diff_objects(original, patched)
    assert not result.refusals
    assert [function.name for function in result.changed_functions] == ["changed"]
    assert result.out is not None
    checks = [section for section in result.out.sections if "Lubsan_data" in section.name]
    assert len(checks) == 2, "those of the changed function"
