"""Compiles original and patched objects with the kernel's own recorded commands, without make.

The original is compiled in the prepared tree and kept in the kernel's cache; the patched one in a
private view of it (:mod:`kpatch.build.shadow`).  Outputs never go into the shared tree.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from kpatch.data import data_dir
from kpatch.errors import BadInput, MismatchError, RunError
from kpatch.kernel.kbuild import ObjectCommand
from kpatch.kernel.source import PreparedTree
from kpatch.log import logger
from kpatch.run import quote

__all__ = ["check_sources", "compile_object", "compile_original", "place_outputs", "preprocess", "read_dependencies"]

_SHOWN_LINES = 60


def place_outputs(command: ObjectCommand, output: Path) -> list[list[str]]:
    """The programs of ``command`` with their outputs at ``output`` (and ``.d`` beside it).

    The headers for patch authors (kmod/patch) are searched after all others.
    """
    compiler, *others = ([*argv] for argv in command.commands)
    if command.target not in compiler:
        raise RunError(f"the command of {command.target} does not write it: {quote(compiler)}")
    # Not -Wp,-MMD,FILE as kbuild has it: a comma in FILE would end it.
    compiler = [word for word in compiler if not word.startswith("-Wp,-MMD,")]
    compiler[1:1] = ["-MMD", "-MF", f"{output}.d"]
    compiler[compiler.index(command.target)] = str(output)
    compiler[-1:-1] = ["-idirafter", os.path.join(data_dir("kmod"), "patch")]
    return [compiler, *([str(output) if word == command.target else word for word in argv] for argv in others)]


def compile_object(command: ObjectCommand, top: Path, output: Path, what: str) -> None:
    """Make the object at ``output`` from the sources below ``top``; ``what`` names them in messages.

    Raises :class:`BadInput` with the compiler's own message when it does not compile.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    for argv in place_outputs(command, output):
        done = command.tools.run(argv, cwd=top, check=False)
        message = "\n".join(done.stderr.strip().splitlines()[:_SHOWN_LINES])
        if done.returncode < 0:
            raise RunError(f"{argv[0]} was killed by signal {-done.returncode} while it made {command.target}")
        if done.returncode > 0:
            if "No space left on device" in message:
                raise RunError(f"no space left on the file system of {output.parent}", "make room, or set TMPDIR")
            raise BadInput(f"{what} does not compile ({command.target}):\n{message}", "correct the patch")
        if message:
            logger.info("%s says about %s:\n%s", posixpath.basename(argv[0]), what, message)


def preprocess(command: ObjectCommand, top: Path) -> str | None:
    """What the compiler sees of the sources below ``top``, without line markers; None when it stops with an error."""
    compiler = [word for word in place_outputs(command, Path("-"))[0] if word not in ("-c", "-S")]
    at = compiler.index("-MMD")
    compiler[at : at + 3] = ["-E", "-P"]
    done = command.tools.run(compiler, cwd=top, check=False)
    return done.stdout if done.returncode == 0 else None


def compile_original(command: ObjectCommand, tree: PreparedTree) -> Path:
    """The object from the kernel's own source, from the cache when it was compiled before."""
    words = "\0".join(word for argv in command.commands for word in argv)
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    kept = tree.home / "objects" / f"{command.path.replace('/', ',')}-{digest}.o"
    if not kept.exists():
        beside = kept.with_name(f".{kept.stem}.{os.getpid()}.o")
        try:
            compile_object(command, tree.path, beside, "the kernel's own source")
            check_sources(beside, tree.path, tree.path, [command.source], [])
            os.replace(beside, kept)
        finally:
            beside.unlink(missing_ok=True)
            Path(f"{beside}.d").unlink(missing_ok=True)
    return kept


def read_dependencies(path: Path) -> list[str]:
    """The files that the compiler read, from the ``.d`` file at ``path`` (make syntax, gcc -MMD)."""
    text = path.read_text("utf-8", "surrogateescape")
    _, _, rest = text.partition(": ")
    return [word.replace("\\ ", " ") for word in re.findall(r"(?:\\ |[^\s\\])+", rest)]


def check_sources(output: Path, top: Path, tree: Path, wanted: Sequence[str], replaced: Sequence[str]) -> None:
    """Check what the compiler read for the object at ``output``, by file identity, not by name.

    All of ``wanted`` (below ``top``) must be among it, and of the files in ``replaced`` never the shared
    tree's own.  Raises :class:`MismatchError`: the object would not be what its name says.
    """
    seen = set()
    for name in read_dependencies(Path(f"{output}.d")):
        status = os.stat(top / name)
        seen.add((status.st_dev, status.st_ino))
    for name in wanted:
        if _identity(top / name) not in seen:
            raise MismatchError(
                f"{name} was not read when {output.name} was compiled, though the build system says so",
                "this is a fault of kpatch-build in naming the objects of a file: report it with the patch",
            )
    for name in replaced:
        if (tree / name).exists() and top != tree and _identity(tree / name) in seen:
            raise MismatchError(
                f"the compiler read the unpatched {name} for {output.name}",
                "this is a fault of kpatch-build in laying out the patched source: report it with the patch",
            )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
