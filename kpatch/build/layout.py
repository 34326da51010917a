"""Whether the patched sources lay out existing types as the running kernel does.

Asked only when a patch touches more than the bodies of functions: both sources are then compiled once
more, with type information.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kpatch.build.affected import Affected
from kpatch.build.compile import compile_object
from kpatch.build.declarations import is_function_body, split_declarations
from kpatch.build.differences import Diffed, refuse
from kpatch.build.pairs import Compiled
from kpatch.build.patchset import PatchedFiles
from kpatch.build.shadow import make_shadow
from kpatch.diff.layout import compare_layouts
from kpatch.elf.btf import read_btf
from kpatch.elf.dwarf import read_dwarf
from kpatch.elf.layouts import Layouts
from kpatch.elf.object import ElfObject
from kpatch.kernel.kbuild import Kbuild, ObjectCommand

__all__ = ["check_layouts", "check_own_layouts", "may_change_types"]


def may_change_types(old: Path, new: Path) -> bool:
    """Whether two versions of a source file differ in more than functions that define no types."""
    before, after = (Counter(split_declarations(path.read_text("utf-8", "replace"))) for path in (old, new))
    return any(not is_function_body(chunk) for chunk in (before - after) + (after - before))


def check_layouts(
    compiled: Sequence[Compiled],
    units: Sequence[Diffed],
    btf: bool,
    allowed: Collection[str],
    pool: ThreadPoolExecutor,
) -> None:
    """Raise :class:`kpatch.errors.Unpatchable` when a type changes that an object with changed code knows.

    ``btf``: the compiler can write BTF.
    """
    changed = [item for item, unit in zip(compiled, units) if unit.diff.out is not None]
    old = pool.map(lambda item: _layouts(item.before[0], item.before[1], f"{item.patched}.old", btf), changed)
    new = pool.map(lambda item: _layouts(item.after[0], item.after[1], f"{item.patched}.new", btf), changed)
    # One type is known to many objects: the first one stands for all.
    found = {
        refusal: item.affected.path
        for item, before, after in reversed(list(zip(changed, old, new)))
        for refusal in compare_layouts(before, after, allowed)
    }
    refuse([(path, refusal) for refusal, path in found.items()])


def check_own_layouts(
    affected: Sequence[Affected], files: PatchedFiles, kbuild: Kbuild, work: Path, allowed: Collection[str]
) -> None:
    """The same for the objects of the changed .c files alone, before anything else is compiled.

    For a patch whose headers reach too many objects: that a type changes, or that these files do not even
    compile, says more than a number.  Raises :class:`kpatch.errors.BadInput` for the latter.
    """
    tree, view = kbuild.tree, work / "view"
    commands = kbuild.commands([unit.target for unit in affected])
    directories = [os.path.dirname(name) for command in commands for name in (command.target, command.source)]
    make_shadow(view, tree.path, directories, {name: files.top / name for name in (*files.changed, *files.added)})
    btf = tree.compiler.writes_btf()
    for unit, command in zip(affected, commands):
        old = _layouts(command, tree.path, f"{work}/old.o", btf)
        new = _layouts(command, view, f"{work}/new.o", btf)
        refuse([(unit.path, refusal) for refusal in compare_layouts(old, new, allowed)])


def _layouts(command: ObjectCommand, top: Path, output: str, btf: bool) -> Layouts:
    argv = [word for word in command.commands[0] if not word.startswith("-g")]
    argv[1:1] = ["-gbtf" if btf else "-gdwarf-4"]
    place = Path(output)
    compile_object(replace(command, commands=(tuple(argv),)), top, place, command.source)
    if not btf:
        return read_dwarf(place)
    section = ElfObject.read(place).section(".BTF")
    return read_btf(section.data) if section is not None else Layouts()
