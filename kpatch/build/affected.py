"""Which objects of the kernel a changed .c file is compiled into: all of them, or an error.

A file may be an object of its own, be included by other .c files (kernel/sched/debug.c in
kernel/sched/build_utility.c), or be listed by another directory (virt/kvm by arch/x86/kvm).
The lists are those of kbuild; what the compiler read is checked against the answer afterwards.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from kpatch.build.includes import grep_sources
from kpatch.errors import Unchanged, Unpatchable
from kpatch.kernel.cache import read_json, write_json
from kpatch.kernel.kbuild import Directory, Kbuild, ObjectCommand
from kpatch.kernel.source import PreparedTree
from kpatch.log import logger

__all__ = ["Affected", "Finder", "SourceIndex", "drop_unread", "find_affected"]

_FORMAT = 1
_INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]*\.c)[">]', re.MULTILINE)
_OUTSIDE = re.compile(
    r"^(Documentation|tools|scripts|samples|usr)/|^arch/[^/]+/(boot|realmode|purgatory)/|^drivers/firmware/efi/libstub/"
)
_MAKE_INCLUDE = re.compile(r"^\s*-?include\s", re.MULTILINE)
_OBJECT_NAME = re.compile(r"[^\s/=:()$]+\.o\b")
_VDSO = re.compile(r"(^|/)(vdso|vdso32|vsyscall)/|^lib/vdso/")


@dataclass(frozen=True)
class Affected:
    """One object that must be rebuilt.

    ``target``: as kbuild spells it (``arch/x86/kvm/../../../virt/kvm/kvm_main.o``); ``objname``:
    ``vmlinux`` or the module's name, several with commas between when modules share the object;
    ``reasons``: the changed files that reach it.
    """

    target: str
    objname: str
    reasons: tuple[str, ...]

    @property
    def path(self) -> str:
        """The object's place below the top directory."""
        return posixpath.normpath(self.target)


class SourceIndex:
    """What text says about the tree: which files include .c files, which makefiles name objects elsewhere.

    Made once per kernel with ``grep`` and kept in its cache directory.
    """

    def __init__(self, tree: PreparedTree, arch: str) -> None:
        self.top = tree.path
        self.arch = arch
        place = tree.home / "index.json"
        known = read_json(place)
        if not isinstance(known, dict) or known.get("format") != _FORMAT:
            known = {"format": _FORMAT, "includes": self._grep_includes(), "makefiles": self._grep_makefiles()}
            write_json(place, known)
        self.includes: dict[str, list[list[str]]] = known["includes"]
        self.makefiles: dict[str, str] = known["makefiles"]
        # A makefile that includes others (amdgpu, nouveau, Makefile.kvm) lists what those name.
        self.including = {
            posixpath.dirname(name) or "."
            for name, text in self.makefiles.items()
            if _MAKE_INCLUDE.search(text) and posixpath.basename(name) in ("Makefile", "Kbuild")
        }

    @cached_property
    def mentions(self) -> dict[str, set[str]]:
        """Base name of an object -> directories whose makefiles may list it for another directory."""
        found: dict[str, set[str]] = {}
        for name, text in self.makefiles.items():
            for word in _OBJECT_NAME.findall(text):
                found.setdefault(word, set()).add(posixpath.dirname(name) or ".")
        return found

    def _grep_includes(self) -> dict[str, list[list[str]]]:
        """Base name of an included .c file -> [including file, name as written]."""
        found: dict[str, list[list[str]]] = {}
        for line in grep_sources(self.top, self.arch, ["-F", "--include=*.[chS]", "-e", '.c"', "-e", ".c>"]):
            path, _, text = line.partition(":")
            match = _INCLUDE.match(text)
            if match:
                found.setdefault(posixpath.basename(match[1]), []).append([path, match[1]])
        return found

    def _grep_makefiles(self) -> dict[str, str]:
        """Makefiles that may list objects of other directories, with their text."""
        args = ["-lE", "--include=Makefile*", "--include=Kbuild*", r"\.\./|^[[:space:]-]*include[[:space:]]"]
        found = {}
        for path in grep_sources(self.top, self.arch, args):
            if not _OUTSIDE.match(path):
                found[path] = (self.top / path).read_text("utf-8", "replace")
        return found

    def includers(self, path: str, added: Sequence[tuple[str, str]] = ()) -> list[str]:
        """Files that include the .c file ``path`` by a name that may mean it."""
        known = [(who, name) for who, name in self.includes.get(posixpath.basename(path), [])]
        known += [(who, name) for who, name in added if posixpath.basename(name) == posixpath.basename(path)]
        return [who for who, name in dict.fromkeys(known) if self._may_mean(who, name, path)]

    def _may_mean(self, who: str, name: str, path: str) -> bool:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(who), name))
        if (self.top / beside).is_file():
            return beside == path
        tail = "/".join(part for part in name.split("/") if part not in ("..", "."))
        return path == tail or path.endswith("/" + tail)


class Finder:
    """One search, with what it found about directories."""

    def __init__(self, kbuild: Kbuild, index: SourceIndex, extra_includes: Sequence[tuple[str, str]] = ()) -> None:
        self.kbuild = kbuild
        self.index = index
        self.extra = extra_includes
        self._entered: dict[str, tuple[bool, bool]] = {}

    def objects_of(self, path: str, seen: frozenset[str] = frozenset()) -> dict[str, set[str]]:
        """Targets that ``path`` is compiled into -> names of the objects (vmlinux, modules) they are linked into."""
        found = self.own_objects(path)
        for includer in self.index.includers(path, self.extra):
            if includer in seen or includer == path:
                continue
            if _VDSO.search(includer):
                raise Unpatchable(
                    f"{path} cannot be hot patched: {includer} includes it into the vdso, which runs in processes",
                    "such a change needs a new kernel and a reboot",
                )
            if _OUTSIDE.match(includer):
                logger.warning("warning: %s is also built into %s, which is not patched", path, includer)
                continue
            if not includer.endswith(".c"):
                raise Unpatchable(
                    f"{path} cannot be hot patched: {includer} includes it, for all of its own includers",
                    "make the change in a .c file that is compiled by itself",
                )
            for target, names in self.objects_of(includer, seen | {path}).items():
                found.setdefault(target, set()).update(names)
        return found

    def own_objects(self, path: str) -> dict[str, set[str]]:
        """Targets that are compiled from ``path`` itself."""
        target = path[: -len(".c")] + ".o"
        places = self._places(path, target)
        self.prefetch([path])
        found: dict[str, set[str]] = {}
        for place in places:
            for name, spelled in self._listed(place, target):
                found.setdefault(spelled, set()).add(name)
        return found

    def prefetch(self, paths: Iterable[str]) -> None:
        """Have make evaluate all directories that :meth:`own_objects` asks about, in as few runs as it takes."""
        places = {place for path in paths for place in self._places(path, path[: -len(".c")] + ".o")}
        self.kbuild.directories(sorted({above for place in places for above in _upwards(place)}))

    def _places(self, path: str, target: str) -> list[str]:
        """Directories whose makefile may list ``target``: its own, those above it, and those that reach across."""
        direct = self.index.mentions.get(posixpath.basename(target), set())
        return list(dict.fromkeys([*_upwards(posixpath.dirname(path)), *sorted(direct | self.index.including)]))

    def _listed(self, place: str, target: str) -> Iterable[tuple[str, str]]:
        """(object name, target as spelled) for each way in which directory ``place`` lists ``target``."""
        directory = self.kbuild.directory(place)
        if directory is None:
            return
        spellings = self._spellings(directory, target)
        if not spellings:
            return
        builtin, modular = self.entered(place)
        for spelled in spellings:
            yield from _owners(directory, spelled, builtin, modular)

    def _spellings(self, directory: Directory, target: str) -> list[str]:
        words = {word for list_ in directory.variables.values() for word in list_ if word.endswith(".o")}
        base = "" if directory.path == "." else directory.path
        return sorted(w for w in words if posixpath.normpath(posixpath.join(base, w)) == target)

    def entered(self, place: str) -> tuple[bool, bool]:
        """Whether kbuild enters ``place`` for vmlinux, and for modules, with this configuration."""
        if place not in self._entered:
            self._entered[place] = self._find_entry(place)
        return self._entered[place]

    def _find_entry(self, place: str) -> tuple[bool, bool]:
        if place in self.kbuild.roots():
            return True, True
        builtin = modular = False
        for parent in _upwards(place)[1:]:
            directory = self.kbuild.directory(parent)
            if directory is None:
                continue
            as_builtin = place in directory.subdirs("obj-y")
            as_modular = place in directory.subdirs("obj-m")
            if as_builtin or as_modular:
                parent_builtin, parent_modular = self.entered(parent)
                builtin |= as_builtin and parent_builtin
                modular |= (as_builtin or as_modular) and parent_modular
        return builtin, modular


def _upwards(path: str) -> list[str]:
    """``path`` and the directories above it, up to ``.``."""
    chain = [path or "."]
    while chain[-1] != ".":
        chain.append(posixpath.dirname(chain[-1]) or ".")
    return chain


def _owners(directory: Directory, spelled: str, builtin: bool, modular: bool) -> Iterable[tuple[str, str]]:
    """What ``directory`` links its object ``spelled`` into, given how it was entered."""
    base = "" if directory.path == "." else directory.path
    target = posixpath.join(base, spelled)
    in_kernel = directory.words("obj-y") + directory.words("lib-y")
    for listed in in_kernel:
        if builtin and listed.endswith(".o") and spelled in directory.members(listed, modular=False):
            yield "vmlinux", target
    for listed in directory.words("obj-m"):
        if not modular or not listed.endswith(".o") or listed in in_kernel:
            continue
        if spelled in directory.members(listed, modular=True):
            yield posixpath.basename(listed)[: -len(".o")].replace("-", "_").replace(",", "_"), target


def find_affected(
    kbuild: Kbuild, changed: Sequence[str], added: Sequence[str], patched_top: Path, arch: str
) -> list[Affected]:
    """The objects that the changed and added .c files are compiled into, in the files' order.

    Raises :class:`Unpatchable` when an object cannot be named for sure, :class:`Unchanged` when this
    configuration builds none of the files.
    """
    finder = Finder(kbuild, SourceIndex(kbuild.tree, arch), _includes_in(patched_top, [*changed, *added]))
    reasons: dict[tuple[str, str], list[str]] = {}
    unbuilt: list[str] = []
    for path in [*changed, *added]:
        objects = finder.objects_of(path)
        if not objects:
            unbuilt.append(path)
        for target, names in objects.items():
            if len(names) > 1:
                raise Unpatchable(
                    f"{path} cannot be hot patched: its object is linked into {', '.join(sorted(names))}",
                    "objects that several modules share are not supported yet",
                )
            reasons.setdefault((target, min(names)), []).append(path)
    _report_unbuilt(unbuilt, set(added), bool(reasons))
    return [Affected(target, name, tuple(files)) for (target, name), files in reasons.items()]


def drop_unread(
    affected: Sequence[Affected], commands: Sequence[ObjectCommand], added: Collection[str]
) -> tuple[list[Affected], list[ObjectCommand]]:
    """Without the objects whose compiler read none of the changed files: an ``#include`` may be conditional.

    (kernel/locking/rwsem.c includes rtmutex.c for PREEMPT_RT only.)  ``added``: files of the patch that
    the kernel did not have.  Raises :class:`Unchanged` when nothing is left.
    """
    kept = []
    for unit, command in zip(affected, commands):
        reasons = tuple(name for name in unit.reasons if name in command.sources or name in added)
        if reasons:
            kept.append((replace(unit, reasons=reasons), command))
        else:
            logger.debug("%s includes %s under other settings only", unit.path, ", ".join(unit.reasons))
    if not kept:
        names = sorted({name for unit in affected for name in unit.reasons})
        raise Unchanged(
            f"this kernel's configuration builds no object from {', '.join(names)}",
            "there is nothing to patch in this kernel",
        )
    return [unit for unit, _ in kept], [command for _, command in kept]


def _includes_in(top: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """.c files that the patched files include, by name as written."""
    found = []
    for name in names:
        text = (top / name).read_text("utf-8", "replace")
        found += [(name, written) for written in _INCLUDE.findall(text)]
    return found


def _report_unbuilt(unbuilt: Sequence[str], added: set[str], others: bool) -> None:
    new = [path for path in unbuilt if path in added]
    if new:
        raise Unpatchable(
            f"{', '.join(new)}: no object of this kernel would be compiled from the new file",
            "#include it from a .c file that is built, or put its code into one",
        )
    if unbuilt and not others:
        raise Unchanged(
            f"this kernel's configuration builds no object from {', '.join(unbuilt)}",
            "there is nothing to patch in this kernel",
        )
    for path in unbuilt:
        logger.warning("warning: this kernel's configuration builds no object from %s: its change is left out", path)
