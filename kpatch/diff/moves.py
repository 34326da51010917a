"""Which lines of the source moved, as far as the bug tables of both objects tell."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from kpatch.diff.compare import Comparer, as_text
from kpatch.diff.special import Entry

__all__ = ["Moves"]


class Moves:
    """For each file, the lines that WARN() and BUG() told in the original, and by how much each of them moved."""

    def __init__(self, comparer: Comparer) -> None:
        self._known: dict[object, list[tuple[int, int]]] = defaultdict(list)
        for patched, original in comparer.twins.original.items():
            if not patched.is_function:
                continue
            old, new = comparer.tables[0].entries_of(original), comparer.tables[1].entries_of(patched)
            for a, b in zip(old, new) if len(old) == len(new) else ():
                before, after = _line(a), _line(b)
                if a.special is b.special and before is not None and after is not None:
                    self._known[tuple(_texts(comparer, a))].append((before, after - before))
        for lines in self._known.values():
            lines.sort()

    def has(self, line: int, move: int) -> bool:
        """Whether a ``line`` of the original can have moved by ``move``: the last one known before it has."""
        for lines in self._known.values():
            number = bisect_left(lines, (line + 1,))
            if number and lines[number - 1][1] == move:
                return True
        return False


def _line(entry: Entry) -> int | None:
    field = entry.special.ignore.get(entry.stop - entry.start)
    if field is None:
        return None
    start, stop = field
    return int.from_bytes(entry.section.data[entry.start + start : entry.start + stop], "little")


def _texts(comparer: Comparer, entry: Entry) -> Iterator[object]:
    """What the entry of the original says besides its line: its file, since 6.19 a format before it."""
    for _, _, ref in comparer.tables[0].body(entry).refs:
        text = as_text(comparer.o, ref)
        if text.kind == "str":
            yield text.target
