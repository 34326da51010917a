"""Kernels with sanitizers: the compiler tells where each check or variable stands, in data without symbols."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject

SOURCE = """
extern void out(int);
LINES
int values[4];
static const char names[2][8] = { "first", "second" };
int unchanged(int n) { out(n); return values[n] + names[n & 1][n & 3]; }
int changed(int n, int by) { CHANGE return values[n + by]; }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"]
#: compiler and flags of a sanitizer, and what the sections are called in which it tells where something stands
CHECKS = {
    "gcc-ubsan": (["gcc", "-mrecord-mcount", "-fsanitize=bounds-strict,shift"], ".data..Lubsan_data"),
    "clang-ubsan": (["clang", "-fsanitize=array-bounds,shift"], ".data..L__unnamed_"),
}
VARIABLES = {
    "gcc-kasan": (
        ["gcc", "-mrecord-mcount", "-fsanitize=kernel-address", "--param=asan-globals=1"],
        ".data..LASANLOC",
    ),
    "clang-kasan": (["clang", "-fsanitize=kernel-address", "-mllvm", "-asan-globals=1"], ".rodata..L___asan_gen_."),
}
#: KASAN puts a guard behind the file's name, too: it is in no section of strings
BOTH = {
    "gcc-both": (
        ["gcc", "-mrecord-mcount", "-fsanitize=kernel-address,bounds-strict,shift", "--param=asan-globals=1"],
        ".data..Lubsan_data",
    ),
    "clang-both": (
        ["clang", "-fsanitize=kernel-address,array-bounds,shift", "-mllvm", "-asan-globals=1"],
        ".data..L__unnamed_",
    ),
}


def _compile(directory: Path, name: str, compiler: list[str], change: str = "", lines: str = "") -> ElfObject:
    output = directory / f"{name}.o"
    argv = [*compiler, *FLAGS, *SECTIONS, f"-DCHANGE={change}", "-x", "c", "-c", "-o", str(output), "-"]
    subprocess.run(argv, input=SOURCE.replace("LINES", lines), text=True, check=True)
    return ElfObject.read(output)


@pytest.mark.parametrize("kind", [*CHECKS, *VARIABLES, *BOTH])
def test_another_line_or_column_is_no_change(kind: str, tmp_path: Path) -> None:
    compiler, where = (CHECKS | VARIABLES | BOTH)[kind]
    original = _compile(tmp_path, "original", compiler)
    patched = _compile(tmp_path, "patched", compiler, lines="\n\n/* moved */ ")
    assert any(section.name.startswith(where) for section in original.sections), "as such kernels have it"
    result = diff_objects(original, patched)
    assert (result.status, result.refusals) == ("unchanged", [])


@pytest.mark.parametrize("kind", CHECKS)
def test_a_check_comes_along_with_its_function(kind: str, tmp_path: Path) -> None:
    compiler, where = CHECKS[kind]
    original = _compile(tmp_path, "original", compiler)
    patched = _compile(tmp_path, "patched", compiler, "if (by > 3) out(values[by]);", "\n\n")
    result = diff_objects(original, patched)
    assert not result.refusals
    assert [function.name for function in result.changed_functions] == ["changed"]
    assert result.out is not None
    checks = [section for section in result.out.sections if section.name.startswith(where)]
    assert len(checks) == 2, "those of the changed function"


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_variable_that_is_watched_stays_where_it_is(kind: str, tmp_path: Path) -> None:
    compiler, _ = VARIABLES[kind]
    original = _compile(tmp_path, "original", compiler)
    patched = _compile(tmp_path, "patched", compiler, "if (by > 3) out(values[by]);", "\n\n")
    result = diff_objects(original, patched)
    assert not result.refusals
    assert [function.name for function in result.changed_functions] == ["changed"]
    assert result.new_data == []
