"""Code and data without sizes: what a file-level ``asm()`` puts behind a mere label.

A label that no function or object covers is an entity of its own up to the next label, function or
object, so that a change behind it is seen, and what is behind it is never taken for a neighbour's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from kpatch.arch.machine import Machine
from kpatch.diff.names import holds_objects
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol

__all__ = ["bare_labels"]

_MAX_PADDING = 64
"""Bytes: no function is aligned to more."""


def bare_labels(
    obj: ElfObject, machine: Machine, covered: Mapping[Section, list[tuple[int, int]]]
) -> Iterator[tuple[Symbol, int]]:
    """Each label outside of the ranges ``covered`` by functions and objects, with the end of what is behind it."""
    labels: dict[Section, list[Symbol]] = defaultdict(list)
    for symbol in obj.symbols:
        section = symbol.section
        if section is not None and _is_label(symbol, section) and section.name not in machine.fragment_sections:
            labels[section].append(symbol)
    for section, symbols in labels.items():
        ranges = _Ranges(covered.get(section, []))
        free = [symbol for symbol in symbols if not ranges.covers(symbol.value)]
        stops = sorted({*ranges.starts, *(symbol.value for symbol in free), section.size})
        fields = sorted(reloc.offset + machine.width.get(reloc.type, 0) for reloc in section.relocs) if free else []
        for symbol in free:
            stop = stops[min(bisect_right(stops, symbol.value), len(stops) - 1)]
            last = bisect_right(fields, stop) - 1
            first = max(symbol.value, stop - _MAX_PADDING, fields[last] if last >= 0 else 0)
            yield symbol, _without_padding(section, first, stop, machine)


def _is_label(symbol: Symbol, section: Section) -> bool:
    if not symbol.name or symbol.name.startswith(".L"):
        return False
    if section.is_text:
        return symbol.type == c.STT_NOTYPE or (symbol.type == c.STT_FUNC and not symbol.size)
    return symbol.type == c.STT_NOTYPE and holds_objects(section.name) and not section.is_string


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


def _without_padding(section: Section, first: int, stop: int, machine: Machine) -> int:
    """``stop`` without what fills the gap to the next function or object, which begins at ``first`` or behind it."""
    if section.type == c.SHT_NOBITS:
        return stop
    if not section.is_text:
        return first + len(section.data[first:stop].rstrip(b"\0"))
    match = machine.padding.search(section.data, first, stop)
    return match.start() if match else stop
