"""Code without function symbols: what a file-level ``asm()`` puts behind a mere label.

A label that no function covers is an entity of its own up to the next label or function, so
that a change behind it is seen and what is behind it is never taken for a part of a neighbour.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from kpatch.arch.machine import Machine
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol

__all__ = ["bare_labels"]

_MAX_PADDING = 64
"""Bytes: no function is aligned to more."""


def bare_labels(
    obj: ElfObject, machine: Machine, covered: Mapping[Section, list[tuple[int, int]]]
) -> Iterator[tuple[Symbol, int]]:
    """Each label outside of the functions' ranges ``covered``, with the offset where its code ends."""
    labels: dict[Section, list[Symbol]] = defaultdict(list)
    for symbol in obj.symbols:
        section = symbol.section
        if section is not None and _is_label(symbol, section) and section.name not in machine.fragment_sections:
            labels[section].append(symbol)
    for section, symbols in labels.items():
        ranges = _Ranges(covered.get(section, []))
        free = [symbol for symbol in symbols if not ranges.covers(symbol.value)]
        stops = sorted({*ranges.starts, *(symbol.value for symbol in free), section.size})
        for symbol in free:
            stop = stops[min(bisect_right(stops, symbol.value), len(stops) - 1)]
            yield symbol, _without_padding(section, symbol.value, stop, machine)


def _is_label(symbol: Symbol, section: Section) -> bool:
    bare = symbol.type == c.STT_NOTYPE or (symbol.type == c.STT_FUNC and not symbol.size)
    return bare and section.is_text and bool(symbol.name) and not symbol.name.startswith(".L")


class _Ranges:
    """Ranges of one section, and whether one of them covers an offset."""

    def __init__(self, ranges: list[tuple[int, int]]) -> None:
        self.starts: list[int] = []
        self._reach: list[int] = []
        last = 0
        for start, stop in sorted(ranges):
            last = max(last, stop)
            self.starts.append(start)
            self._reach.append(last)

    def covers(self, offset: int) -> bool:
        number = bisect_right(self.starts, offset)
        return number > 0 and offset < self._reach[number - 1]


def _without_padding(section: Section, start: int, stop: int, machine: Machine) -> int:
    """``stop`` without what fills the gap to the next function."""
    fields = (reloc.offset + machine.width.get(reloc.type, 0) for reloc in section.relocs if reloc.offset < stop)
    first = max(start, stop - _MAX_PADDING, *fields)
    match = machine.padding.search(section.data, first, stop)
    return match.start() if match else stop
