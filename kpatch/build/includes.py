"""Which files may read a header, by the text of the tree: more than do, never fewer.

An ``#include`` counts under every condition, and a name that could mean two files means both.
What the compiler really read is asked afterwards, of the few that are left.  Uses ``grep``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kpatch.kernel.cache import read_json, write_json
from kpatch.kernel.source import PreparedTree
from kpatch.run import run

__all__ = ["IncludeGraph", "grep_sources"]

_FORMAT = 1
# Also "#define X_INCLUDE_FILE <name>", which some other file includes by that macro.
_PATTERN = r'^[[:space:]]*#[[:space:]]*(include|include_next|import|define[[:space:]]+\w+)[[:space:]]*[<"][^">]+[">]'
_LINE = re.compile(r'^([^:]+):\s*#\s*\w+(?:\s+\w+)?\s*([<"])([^">]+)[">]')
_FORCED = re.compile(r'-include\s+([^\s"]+\.h)')


def grep_sources(top: Path, arch: str, args: Sequence[str]) -> list[str]:
    """What ``grep -r`` finds in the directories of the tree that an ``arch`` kernel is built from."""
    entries = sorted(entry.name for entry in top.iterdir() if entry.is_dir() and entry.name[0] != ".")
    skipped = {"Documentation", "tools"}
    others = [f"--exclude-dir={entry.name}" for entry in (top / "arch").iterdir() if entry.name != arch]
    names = [name for name in entries if name not in skipped]
    return run(["grep", "-r", *args, *others, *names], cwd=top, check=False).stdout.splitlines()


class IncludeGraph:
    """All ``#include`` lines of a prepared tree, collected once and kept in the kernel's cache directory."""

    def __init__(self, tree: PreparedTree, arch: str) -> None:
        self.top = tree.path
        place = tree.home / "includes.json"
        known = read_json(place)
        if not isinstance(known, dict) or known.get("format") != _FORMAT:
            known = {"format": _FORMAT, "lines": self._read_lines(arch), "forced": self._read_forced(arch)}
            write_json(place, known)
        self._lines: dict[str, list[str]] = known["lines"]
        self._forced: list[str] = known["forced"]

    def _read_lines(self, arch: str) -> dict[str, list[str]]:
        """Base name of an included file -> "includer, quote or bracket, name as written", by tabs."""
        found: dict[str, dict[str, None]] = {}
        kinds = [f"--include=*.{kind}" for kind in ("c", "h", "S", "inc", "lds")]
        for line in grep_sources(self.top, arch, ["-E", *kinds, _PATTERN]):
            match = _LINE.match(line)
            if match:
                found.setdefault(posixpath.basename(match[3]), {})["\t".join(match.groups())] = None
        return {name: list(lines) for name, lines in found.items()}

    def _read_forced(self, arch: str) -> list[str]:
        """Headers that makefiles give to the compiler with ``-include``."""
        kinds = ["--include=Makefile*", "--include=Kbuild*"]
        text = "\n".join(grep_sources(self.top, arch, ["-hE", *kinds, "-e", "-include[[:space:]]+[^[:space:]]+[.]h"]))
        top = (self.top / "Makefile").read_text("utf-8", "replace")
        return sorted({posixpath.basename(name) for name in _FORCED.findall(text + top)})

    def is_forced(self, path: str) -> bool:
        """Whether the compiler reads ``path`` without being told to by an ``#include``."""
        return posixpath.basename(path) in self._forced

    def readers(self, paths: Iterable[str]) -> set[str]:
        """All files that may read one of ``paths``, directly or through others; ``paths`` themselves, too."""
        seen = set(paths)
        todo = list(seen)
        while todo:
            for reader in self.includers(todo.pop()):
                if reader not in seen:
                    seen.add(reader)
                    todo.append(reader)
        return seen

    def includers(self, path: str) -> list[str]:
        """Files with an ``#include`` that may mean ``path``."""
        found = []
        for line in self._lines.get(posixpath.basename(path), ()):
            includer, quote, name = line.split("\t")
            if self._may_mean(includer, quote, name, path):
                found.append(includer)
        return found

    def _may_mean(self, includer: str, quote: str, name: str, path: str) -> bool:
        if quote == '"':
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(includer), name))
            if beside == path:
                return True
            if (self.top / beside).is_file():
                return False
        tail = "/".join(part for part in name.split("/") if part not in ("..", "."))
        return path == tail or path.endswith("/" + tail)
