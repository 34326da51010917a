"""The smallest diff between two sources with which a changed file compiles: the file, and what it needs of others.

The newer source collects the fixes of several releases, and a header many changes that have nothing to do with the
file at hand.  So of other files only those hunks are taken that add what the compiler misses, as in a fix of its own.
"""

from __future__ import annotations

import difflib
import filecmp
import re
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["Changes"]

_WORD = re.compile(r"\w+")


class Changes:
    """Hunks of the differences between the trees ``old`` and ``new``, chosen so far: by file, in order."""

    def __init__(self, old: Path, new: Path, name: str) -> None:
        self.old = old
        self.new = new
        self._chosen: dict[str, set[int]] = {}
        self.add_whole(name)

    @property
    def names(self) -> list[str]:
        """The files that the diff touches, the first one first."""
        return [name for name, chosen in self._chosen.items() if chosen]

    def text(self) -> str:
        """The diff, in the format of ``diff -u``."""
        parts = []
        for name in self.names:
            parts.append(f"--- a/{name}\n+++ b/{name}\n")
            parts += [hunk for at, hunk in enumerate(self._hunks(name)) if at in self._chosen[name]]
        return "".join(parts)

    def add_whole(self, name: str) -> bool:
        """Take all of the file ``name``; whether that is more than before."""
        return self._add(name, range(len(self._hunks(name))))

    def add_words(self, name: str, words: set[str]) -> bool:
        """Take those hunks of the file ``name`` that add one of ``words``; whether there are any that are new."""
        return self._add_if(name, lambda added: bool(added & words))

    def add_parts(self, name: str, words: set[str]) -> bool:
        """The same for hunks that add the end of one of ``words``: a macro may paste it to the rest (``dev_##x``)."""
        ends = {
            word[at + 1 :] for word in words for at, char in enumerate(word) if char == "_" and "_" in word[at + 1 :]
        }
        return self._add_if(name, lambda added: bool(added & ends))

    def _add_if(self, name: str, wanted: Callable[[set[str]], bool]) -> bool:
        return self._add(name, [at for at, hunk in enumerate(self._hunks(name)) if wanted(_added_words(hunk))])

    def _add(self, name: str, hunks: Iterable[int]) -> bool:
        chosen = self._chosen.setdefault(name, set())
        before = len(chosen)
        chosen.update(hunks)
        return len(chosen) > before

    def _hunks(self, name: str) -> list[str]:
        """All hunks between the two versions of ``name``; none where it has only one."""
        old, new = self.old / name, self.new / name
        if not (old.is_file() and new.is_file()) or filecmp.cmp(old, new, shallow=False):
            return []
        before, after = (place.read_text("utf-8", "surrogateescape").splitlines(True) for place in (old, new))
        hunks: list[str] = []
        for line in list(difflib.unified_diff(before, after))[2:]:
            if line.startswith("@@ "):
                hunks.append("")
            hunks[-1] += line
        return hunks


def _added_words(hunk: str) -> set[str]:
    """The words of the lines that only the newer version has."""
    return {word for line in hunk.splitlines() if line.startswith("+") for word in _WORD.findall(line)}
