"""Compiles the original and the patched object of everything that a patch reaches, side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kpatch.build.affected import Affected, drop_unread
from kpatch.build.compile import check_sources, compile_object, compile_original
from kpatch.build.lines import keep_line_numbers
from kpatch.build.patchset import PatchedFiles
from kpatch.build.shadow import make_shadow
from kpatch.build.stages import Progress, Stages
from kpatch.errors import BadInput
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from kpatch.kernel.source import PreparedTree

__all__ = ["Compiled", "compile_pairs"]


@dataclass(frozen=True)
class Compiled:
    """One object, compiled from the kernel's source and from the patched one."""

    affected: Affected
    command: ObjectCommand
    original: Path
    patched: Path


def compile_pairs(
    affected: Sequence[Affected],
    files: PatchedFiles,
    kbuild: Kbuild,
    stages: Stages,
    progress: Progress,
    pool: ThreadPoolExecutor,
) -> list[Compiled]:
    """Both objects of each affected one. Raises :class:`BadInput` when the patched source does not compile."""
    tree = kbuild.tree
    patched_top, view = stages.directory("4-patched"), stages.directory("4-patched") / "source"
    with progress(f"compiling {', '.join(unit.path for unit in affected)}"):
        commands = [kbuild.command(unit.target) for unit in affected]
        affected, commands = drop_unread(affected, commands, files.added)
        replaced = _number_lines(files, tree, patched_top / "numbered")
        directories = {os.path.dirname(name) for command in commands for name in command.sources if name[-2:] == ".c"}
        make_shadow(view, tree.path, [*directories, *(os.path.dirname(unit.target) for unit in affected)], replaced)
        with stages.stage("4-patched"):
            jobs = []
            for unit, command in zip(affected, commands):
                output = patched_top / unit.path.replace("/", ",")
                patched = pool.submit(_compile_patched, unit, command, files, view, tree, output)
                jobs.append((unit, command, pool.submit(compile_original, command, tree), patched, output))
            # All end before one of them may fail: nothing is left running.
            failures = [job.exception() for *_, original, patched, _ in jobs for job in (original, patched)]
            for failure in failures:
                if failure is not None:
                    raise failure
        done = [Compiled(unit, command, original.result(), output) for unit, command, original, _, output in jobs]
        with stages.stage("3-original") as directory:
            for pair in done:
                os.symlink(pair.original, directory / pair.patched.name)
        return done


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
    check_sources(output, view, tree.path, unit.reasons, files.changed)


def _number_lines(files: PatchedFiles, tree: PreparedTree, into: Path) -> dict[str, Path]:
    """The files to compile: patched, with the line numbers that unchanged lines had."""
    replaced = {name: files.top / name for name in files.added}
    for name in files.changed:
        replaced[name] = into / name
        replaced[name].parent.mkdir(parents=True, exist_ok=True)
        replaced[name].write_bytes(keep_line_numbers(tree.path / name, files.top / name))
    return replaced
