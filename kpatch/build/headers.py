"""What a change of headers reaches: every object that reads them, or a refusal.

Text says who may read a header (:mod:`kpatch.build.includes`), kbuild which of these files this
configuration builds, and later the compiler what it really read (:mod:`kpatch.build.pairs`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kpatch.build.affected import Affected, Finder, SourceIndex
from kpatch.build.declarations import declared_names, used_words
from kpatch.build.includes import IncludeGraph, grep_sources
from kpatch.build.patchset import PatchedFiles
from kpatch.build.stages import Progress
from kpatch.errors import Unpatchable
from kpatch.kernel.kbuild import Kbuild
from kpatch.log import logger

__all__ = ["Reached", "find_readers"]

_SHOWN = 5
_OUTSIDE = re.compile(
    r"^(Documentation|tools|scripts|samples|usr)/|^arch/[^/]+/(boot|realmode|purgatory|um)/|^drivers/firmware/efi/libstub/"
)
_VDSO = re.compile(r"(^|/)vdso(32)?/")
#: their assembler text becomes a header for all others: top Kbuild
_GENERATORS = ("kernel/bounds.c", "arch/x86/kernel/asm-offsets.c")


@dataclass
class Reached:
    """``objects`` to compile; ``fixed``: what cannot be patched (vdso, assembler code) and must not change at all."""

    objects: list[Affected] = field(default_factory=list)
    fixed: list[Affected] = field(default_factory=list)

    def with_sources(self, affected: Sequence[Affected]) -> list[Affected]:
        """The objects together with those that ``affected`` names for the changed .c files."""
        reasons = {(unit.target, unit.objname): unit.reasons for unit in affected}
        for unit in self.objects:
            known = reasons.get((unit.target, unit.objname), ())
            reasons[unit.target, unit.objname] = (*known, *unit.reasons)
        return [Affected(target, objname, files) for (target, objname), files in reasons.items()]


def find_readers(kbuild: Kbuild, files: PatchedFiles, arch: str, limit: int, progress: Progress) -> Reached:
    """All that the changed headers of ``files`` may reach, beside the .c files that the patch changes itself.

    Raises :class:`Unpatchable` when more than ``limit`` objects would have to be compiled.
    """
    if not files.headers:
        return Reached()
    with progress(f"looking for what reads {', '.join(files.headers)}"):
        tree = kbuild.tree
        graph = IncludeGraph(tree, arch)
        _refuse_shadowing(graph, files)
        reasons: dict[str, list[str]] = {}
        for header in files.headers:
            for source in _readers_of(graph, header, tree.path, files, arch, limit):
                reasons.setdefault(source, []).append(header)
        return _sort(Finder(kbuild, SourceIndex(tree, arch)), reasons, limit)


def _readers_of(
    graph: IncludeGraph, header: str, top: Path, files: PatchedFiles, arch: str, limit: int
) -> Collection[str]:
    """Source files that may read ``header`` and for which its change may mean something."""
    names = declared_names(_read(top / header), _read(files.top / header))
    readers = graph.readers([header])
    everywhere = any(graph.is_forced(reader) for reader in readers)
    if names is not None:
        mentioning = _mentioning(names, top, arch) - {*files.changed} | _still_mentioning(names, top, files)
        if not mentioning:
            logger.debug("%s: nothing but the patch uses %s", header, ", ".join(sorted(names)) or "what changes")
            return ()
        users = graph.readers(mentioning)
        readers, everywhere = (users if everywhere else readers & users), False
    sources = sorted(reader for reader in readers if reader.endswith((".c", ".S")) and not _OUTSIDE.match(reader))
    if everywhere or len(sources) > 20 * limit:
        what = "every object reads it" if everywhere else f"{len(sources)} source files may read it"
        raise _too_many(header, what, sources)
    return sources


def _mentioning(names: Collection[str], top: Path, arch: str) -> set[str]:
    """Files of the tree with one of ``names`` as a word."""
    if not names:
        return set()
    kinds = [f"--include=*.{kind}" for kind in ("c", "h", "S", "inc")]
    return set(grep_sources(top, arch, ["-lwF", *kinds, *(f"-e{name}" for name in sorted(names))]))


def _still_mentioning(names: Collection[str], top: Path, files: PatchedFiles) -> set[str]:
    """Changed headers with one of ``names`` in both versions: what they make of it may change with its meaning.

    A name that only one version has is part of that header's own change, and is judged with that.  So is one that is
    declared once more under other conditions: who reads the header and does not use the name has nothing of it.
    """
    words = {name: used_words(_read(top / name)) & used_words(_read(files.top / name)) for name in files.headers}
    return {name for name, found in words.items() if found & set(names)}


def _refuse_shadowing(graph: IncludeGraph, files: PatchedFiles) -> None:
    """A new header must not take the place of another one, for files that were compiled without it."""
    for name in files.added:
        others = [] if name.endswith(".c") else graph.includers(name)
        if others:
            raise Unpatchable(
                f"{name} cannot be hot patched: the new header may take another one's place in {others[0]}",
                "give the new header a name that nothing includes yet",
            )


def _sort(finder: Finder, reasons: dict[str, list[str]], limit: int) -> Reached:
    """The objects of the sources; what no list of kbuild's for the kernel names is the vdso's, or is not built."""
    reached = Reached()
    found: dict[tuple[str, str], list[str]] = {}
    finder.prefetch(reasons)
    for source, headers in reasons.items():
        if source in _GENERATORS:
            reached.fixed.append(Affected(source[:-2] + ".s", "generated", tuple(headers)))
            continue
        objects = finder.own_objects(source)
        if not objects and _VDSO.search(source):
            reached.fixed.append(Affected(source[:-2] + ".o", "vdso", tuple(headers)))
        for target, names in objects.items():
            if source.endswith(".S"):
                reached.fixed.append(Affected(target, "assembler", tuple(headers)))
            else:
                found.setdefault((target, ",".join(sorted(names))), []).extend(headers)
    if len(found) > limit:
        headers = sorted({header for files in found.values() for header in files})
        raise _too_many(", ".join(headers), f"up to {len(found)} objects read it", [target for target, _ in found])
    reached.objects = [
        Affected(target, name, tuple(dict.fromkeys(headers))) for (target, name), headers in found.items()
    ]
    return reached


def _too_many(header: str, what: str, readers: Sequence[str]) -> Unpatchable:
    shown = ", ".join(posixpath.normpath(name) for name in readers[:_SHOWN])
    return Unpatchable(
        f"{header} cannot be hot patched: {what} ({shown}, ...)",
        "raise --max-objects, or make the change in the .c files that need it, for instance with a private copy of "
        "the macro or inline function",
    )


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")
