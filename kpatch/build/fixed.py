"""Code that a header reaches and that cannot be patched: it must stay as it is, or the patch is refused.

That is the vdso, which processes have mapped, assembler code, which has no call at its entry, and
the programs whose output is a header for every other object (kernel/bounds.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kpatch.build.affected import Affected
from kpatch.build.compile import compile_object, preprocess
from kpatch.errors import RunError, Unpatchable
from kpatch.kernel.kbuild import Kbuild, ObjectCommand

__all__ = ["check_fixed"]

_WHAT = {
    "vdso": ("vdso code, which runs in processes, mapped when they started", "such a change needs a new kernel"),
    "assembler": ("assembler code, which has no call at its entry", "leave the change out of what it includes"),
    "generated": ("a header that every object includes (asm-offsets.h, bounds.h)", "such a change needs a new kernel"),
}
_VDSO64, _VDSO32 = "vdso/vclock_gettime.o", "vdso/vdso32/"


def check_fixed(fixed: Sequence[Affected], kbuild: Kbuild, view: Path, work: Path, jobs: int) -> None:
    """Raise :class:`Unpatchable` for the first of ``fixed`` that the patched sources below ``view`` change."""
    together = [unit.target for unit in fixed if unit.objname == "assembler"]
    kbuild.commands(together, jobs)
    for unit in fixed:
        command = _command(unit, kbuild)
        if not command.sources & {*unit.reasons}:
            continue
        before = preprocess(command, kbuild.tree.path)
        if before is not None and before == preprocess(command, view):
            continue
        if unit.objname == "generated" and _generated(command, kbuild.tree.path, work) == _generated(
            command, view, work
        ):
            continue
        what, remedy = _WHAT[unit.objname]
        raise Unpatchable(f"{', '.join(unit.reasons)} cannot be hot patched: {unit.path} would change: {what}", remedy)


def _command(unit: Affected, kbuild: Kbuild) -> ObjectCommand:
    try:
        return kbuild.command(unit.target)
    except RunError:
        if _VDSO32 not in unit.target:
            raise
        # The makefile gives the 32-bit options only for the whole vdso32.so: the text is that of the 64-bit
        # command for the 32-bit source, which reads the same headers.
        top = unit.target[: unit.target.index(_VDSO32)]
        command = kbuild.command(top + _VDSO64)
        source = unit.target[:-2] + ".c"
        words = ["-m32" if word == "-m64" else word for word in command.commands[0][:-1]]
        return replace(command, commands=((*words, source),), sources=frozenset(unit.reasons))


def _generated(command: ObjectCommand, top: Path, work: Path) -> list[str]:
    """The lines of the assembler text that the header is made from."""
    output = work / command.path.replace("/", ",")
    compile_object(command, top, output, command.source)
    return [line for line in output.read_text("utf-8", "replace").splitlines() if '"->' in line]
