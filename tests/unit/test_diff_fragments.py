"""Replacements of no bytes (``static_cpu_has``): the next one begins at the same place and must come along whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject

SOURCE = """
extern int out(int);
/* As arch/x86/include/asm/cpufeature.h has it: a jump always, or nothing where the feature is there. */
#define HAS(number) ({ __label__ no, end; int yes = 1; asm goto( \\
    "1: .byte 0xeb, 3, 0, 0, 0\\n" \\
    ".pushsection .altinstructions,\\"a\\"\\n" \\
    ".long 1b - ., 2f - .\\n.word 0x75\\n.byte 5, 5\\n" \\
    ".long 1b - ., 3f - .\\n.word " #number "\\n.byte 5, 0\\n" \\
    ".popsection\\n.pushsection .altinstr_replacement,\\"ax\\"\\n" \\
    "2: .byte 0xe9\\n.long %l[no] - 3f\\n3:\\n.popsection\\n" :::: no); \\
    goto end; no: yes = 0; end: yes; })
int has(int x) { if (HAS(0x101)) x = out(x); if (HAS(0x102)) x += out(x + CHANGE); return x; }
"""
FLAGS = ["-O2", "-fno-PIE", "-mcmodel=kernel", "-pg", "-mfentry", "-mrecord-mcount", "-fcf-protection=none"]
SECTIONS = ["-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"]


def _compile(directory: Path, change: int) -> ElfObject:
    output = directory / f"{change}.o"
    argv = ["gcc", *FLAGS, *SECTIONS, f"-DCHANGE={change}", "-x", "c", "-c", "-o", str(output), "-"]
    subprocess.run(argv, input=SOURCE, text=True, check=True)
    return ElfObject.read(output)


def test_each_replacement_is_its_own(tmp_path: Path) -> None:
    result = diff_objects(_compile(tmp_path, 1), _compile(tmp_path, 2))
    assert [function.name for function in result.changed_functions] == ["has"]
    assert result.out is not None
    table = result.out.section(".altinstructions")
    assert table is not None and table.size == 4 * 12
    found = []
    for reloc in table.relocs:
        target = reloc.symbol.section
        assert target is not None
        if target.name == ".altinstr_replacement":
            start = reloc.symbol.value + reloc.addend
            length = table.data[reloc.offset - 4 + 11]
            found.append(target.data[start : start + length][:1])
    assert found == [b"\xe9", b"", b"\xe9", b""]
