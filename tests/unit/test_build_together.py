"""What is new in one object of a patch is there for the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpatch.build.together import Pair, diff_together
from kpatch.elf.object import ElfObject

FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"]

USER = "extern int helper(int); int use(int x) { return CALL; }"
HELPER = """
#ifdef NEW
extern int deep(int);
int counter;
int helper(int x) { counter++; return deep(x) + 1; }
#endif
int old(int x) { return x * 3; }
"""
DEEP = """
#ifdef NEW
int deep(int x) { return x * 5; }
int unneeded(int x) { return x * 7; }
#endif
int older(int x) { return x * 9; }
"""


def _pair(directory: Path, text: str, original: str, patched: str) -> Pair:
    objects: list[ElfObject] = []
    for number, option in enumerate((original, patched)):
        output = directory / f"{abs(hash((text, option, number)))}.o"
        argv = ["gcc", *FLAGS, *SECTIONS, option, "-x", "c", "-c", "-o", str(output), "-"]
        subprocess.run(argv, input=text, text=True, check=True)
        objects.append(ElfObject.read(output))
    return Pair(objects[0], objects[1])


def test_new_functions_serve_the_other_objects(tmp_path: Path) -> None:
    user = _pair(tmp_path, USER, "-DCALL=x", "-DCALL=helper(x)")
    helper, deep = (_pair(tmp_path, text, "-UNEW", "-DNEW") for text in (HELPER, DEEP))
    results = diff_together([user, helper, deep])
    assert [result.status for result in results] == ["changed"] * 3
    assert [function.name for function in results[0].changed_functions] == ["use"]
    assert [result.new_functions for result in results] == [[], ["helper"], ["deep"]]
    assert results[1].new_data == ["counter"]
    assert not any(result.changed_functions for result in results[1:])


def test_what_nobody_refers_to_stays_out(tmp_path: Path) -> None:
    user = _pair(tmp_path, USER, "-DCALL=x", "-DCALL=x+1")
    helper = _pair(tmp_path, HELPER, "-UNEW", "-DNEW")
    assert [result.status for result in diff_together([user, helper])] == ["changed", "unchanged"]
