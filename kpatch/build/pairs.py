"""Compiles the original and the patched object of everything that a patch reaches, side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpatch.build.affected import Affected, drop_unread
from kpatch.build.compile import check_sources, compile_object, compile_original, preprocess
from kpatch.build.fixed import check_fixed
from kpatch.build.lines import keep_line_numbers
from kpatch.build.patchset import PatchedFiles
from kpatch.build.shadow import make_shadow
from kpatch.build.stages import Progress, Stages
from kpatch.errors import BadInput, Unchanged
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from kpatch.kernel.source import PreparedTree

__all__ = ["Compiled", "compile_pairs"]

_SHOWN = 3


@dataclass(frozen=True)
class Compiled:
    """One object, compiled from the shipped source and from the patched one.

    ``before`` and ``after``: the command of each compilation, and the directory that it runs in.
    """

    affected: Affected
    original: Path
    patched: Path
    before: tuple[ObjectCommand, Path]
    after: tuple[ObjectCommand, Path]


def compile_pairs(
    affected: Sequence[Affected],
    fixed: Sequence[Affected],
    files: PatchedFiles,
    kbuild: Kbuild,
    stages: Stages,
    progress: Progress,
    pool: ThreadPoolExecutor,
    jobs: int,
) -> list[Compiled]:
    """Both objects of each affected one.

    Raises :class:`BadInput` when the patched source does not compile, :class:`Unpatchable` when one of
    ``fixed`` (:class:`kpatch.build.headers.Reached`) would change.
    """
    tree = kbuild.tree
    patched_top, view = stages.directory("4-patched"), stages.directory("4-patched") / "source"
    with progress(f"compiling {_named(affected)}"):
        commands = kbuild.commands([unit.target for unit in affected], jobs)
        affected, commands = drop_unread(affected, commands, files.added)
    replaced = _number_lines(files, tree, patched_top / "numbered")
    directories = {os.path.dirname(name) for command in commands for name in command.sources if name[-2:] == ".c"}
    targets = [os.path.dirname(unit.target) for unit in (*affected, *fixed)]
    make_shadow(view, tree.path, [*directories, *targets], replaced)
    if fixed:
        with progress(f"checking {_named(fixed)}"):
            check_fixed(fixed, kbuild, view, stages.directory("4-patched"), jobs)
    if files.headers:
        with progress(f"preprocessing {_named(affected)}"):
            affected, commands = _drop_same_text(affected, commands, tree, view, pool)
    with progress(f"compiling {_named(affected)}, patched"), stages.stage("4-patched"):
        done = []
        tasks: list[Future[Any]] = []
        for unit, command in zip(affected, commands):
            output = patched_top / unit.path.replace("/", ",")
            tasks.append(pool.submit(_compile_patched, unit, command, files, view, tree, output))
            original = pool.submit(compile_original, command, tree)
            tasks.append(original)
            done.append((unit, command, original, output))
        # All end before one of them may fail: nothing is left running.
        for failure in [task.exception() for task in tasks]:
            if failure is not None:
                raise failure
    compiled = [
        Compiled(unit, original.result(), output, (command, tree.path), (command, view))
        for unit, command, original, output in done
    ]
    with stages.stage("3-original") as directory:
        for pair in compiled:
            os.symlink(pair.original, directory / pair.patched.name)
    return compiled


def _named(units: Sequence[Affected]) -> str:
    shown = ", ".join(unit.path for unit in units[:_SHOWN])
    return shown if len(units) <= _SHOWN else f"{shown} and {len(units) - _SHOWN} more"


def _drop_same_text(
    affected: Sequence[Affected],
    commands: Sequence[ObjectCommand],
    tree: PreparedTree,
    view: Path,
    pool: ThreadPoolExecutor,
) -> tuple[list[Affected], list[ObjectCommand]]:
    """Without the objects that only read a changed header, and of which the compiler sees the same as before.

    Raises :class:`Unchanged` when nothing is left.
    """

    def same(unit: Affected, command: ObjectCommand) -> bool:
        if any(name.endswith(".c") for name in unit.reasons):
            return False
        before = preprocess(command, tree.path)
        return before is not None and before == preprocess(command, view)

    kept = [
        (unit, command)
        for unit, command, unchanged in zip(affected, commands, pool.map(same, affected, commands))
        if not unchanged
    ]
    if not kept:
        raise Unchanged(f"{_named(affected)}: the compiler sees the same text as before", "there is nothing to patch")
    return [unit for unit, _ in kept], [command for _, command in kept]


def _compile_patched(
    unit: Affected, command: ObjectCommand, files: PatchedFiles, view: Path, tree: PreparedTree, output: Path
) -> None:
    what = ", ".join(unit.reasons)
    try:
        compile_object(command, view, output, what)
    except BadInput:
        # Once more with the user's own line numbers, so that the message points to the right lines.
        for name in unit.reasons:
            shutil.copyfile(files.top / name, view / name)
        compile_object(command, view, output, what)
        raise
    sources = [name for name in unit.reasons if name.endswith(".c")]
    check_sources(output, view, tree.path, sources, files.changed)


def _number_lines(files: PatchedFiles, tree: PreparedTree, into: Path) -> dict[str, Path]:
    """The files to compile: patched, with the line numbers that unchanged lines had."""
    replaced = {name: files.top / name for name in files.added}
    for name in files.changed:
        replaced[name] = into / name
        replaced[name].parent.mkdir(parents=True, exist_ok=True)
        replaced[name].write_bytes(keep_line_numbers(tree.path / name, files.top / name))
    return replaced
