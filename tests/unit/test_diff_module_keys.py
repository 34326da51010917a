"""Jump labels whose key is in a module: the kernel cannot find it when it loads the hot patch."""

from __future__ import annotations

from pathlib import Path

from kpatch.diff.api import diff_objects
from tests.unit import tiny_kernel

SOURCE = r"""
extern int hidden(int value);
struct { const char *name; long key[2]; } __tracepoint_event;
int entry(int value)
{
    asm goto("1: JUMP\n.pushsection __jump_table, \"aw\"\n"
        ".long 1b - ., %l[on] - .\n.quad %c0 + 8 - .\n.popsection" : : "i"(&__tracepoint_event) : : on);
    return hidden(value + ADDED);
on:
    return hidden(-1);
}
"""
NEAR, SHORT = ".byte 0xe9; .long %l[on] - . - 4", ".byte 0xeb; .byte %l[on] - . - 1"


def _patched(tmp_path: Path, jump: str) -> tuple[bytes, list[str]]:
    source = SOURCE.replace("JUMP", jump)
    flags = ["-ffunction-sections", "-fdata-sections", "-pg", "-mfentry", "-mrecord-mcount", "-Os"]
    original, patched = (
        tiny_kernel.compile_object(source, tmp_path / f"{added}.o", *flags, f"-DADDED={added}") for added in (1, 2)
    )
    result = diff_objects(original, patched, objname="driver")
    assert result.status == "changed" and result.out and not result.out.section("__jump_table")
    code = result.out.section(".text.entry")
    assert code
    return code.data, result.warnings


def test_the_jump_of_a_tracepoint_becomes_the_nop_of_its_length(tmp_path: Path) -> None:
    for jump, opcode, nop in ((NEAR, b"\xe9", b"\x0f\x1f\x44\x00\x00"), (SHORT, b"\xeb", b"\x66\x90")):
        code, (warning,) = _patched(tmp_path, jump)
        assert nop in code and opcode not in code.split(nop)[0]
        assert warning.startswith("entry: __tracepoint_event")


def test_the_nop_that_objtool_left_stays(tmp_path: Path) -> None:
    nop = ".byte 0x0f, 0x1f, 0x44, 0, 0"
    code, warnings = _patched(tmp_path, nop)
    assert code.count(b"\x0f\x1f\x44\x00\x00") == 1 and len(warnings) == 1
