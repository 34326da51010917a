"""Data without symbols that shares a section with other data: jump tables, clang's private constants.

Compilers give each such table a section of its own with -ffunction-sections and -fdata-sections;
without, tables lie between objects with symbols, and only the references to them tell where one
begins.  A piece reaches from one such reference to the next one, or to the next symbol.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from kpatch.elf import const as c
from kpatch.elf.object import Reloc, Section

if TYPE_CHECKING:
    from kpatch.diff.model import View

__all__ = ["Pieces"]


class Pieces:
    """Where the nameless pieces of one object begin and end."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._ends: dict[Section, list[int]] = {}
        self._starts: dict[Section, list[int]] = {}

    def is_nameless(self, section: Section, offset: int, indexed: bool) -> bool:
        """Whether no symbol of ``section`` covers ``offset``, but contents do.

        Right behind an object a reference may mean its end; an ``indexed`` one reads what follows.
        """
        gap = self._gap(section, offset)
        if gap is None or not (offset > gap[0] or indexed or gap[0] == 0):
            return False
        return self._has_contents(section, *gap)

    def follows(self, section: Section, offset: int) -> bool:
        """Whether a nameless piece begins at ``offset``, right behind an object."""
        gap = self._gap(section, offset)
        return gap is not None and offset == gap[0] and self._has_contents(section, *gap)

    def piece(self, section: Section, offset: int) -> tuple[int, int]:
        """Start and end of the piece at ``offset``; the whole section where it holds nothing else."""
        if section.name != ".rodata" and not self.view.in_section.get(section):
            return 0, section.size
        gap = self._gap(section, offset)
        if gap is None:
            return offset, offset
        starts = self._references(section)
        number = bisect_right(starts, offset)
        following = starts[number] if number < len(starts) else section.size
        return offset, min(following, gap[1])

    def table_start(self, section: Section, reloc: Reloc) -> int:
        """Where the table of jumps begins that ``reloc`` belongs to: distances in it count from there (``-fPIC``).

        Its own place, when it belongs to none.
        """
        target = reloc.symbol.section
        if target is None or not target.is_text:
            return reloc.offset
        starts = self._references(section)
        number = bisect_right(starts, reloc.offset)
        return starts[number - 1] if number else reloc.offset

    def _gap(self, section: Section, offset: int) -> tuple[int, int] | None:
        """The range without symbols that ``offset`` lies in or begins."""
        if section.type == c.SHT_NOBITS or not 0 <= offset < section.size:
            return None
        entities = self.view.in_section.get(section, [])
        number = bisect_right(self.view.starts_in(section), offset)
        ends = self._ends.get(section)
        if ends is None:
            ends, last = [0], 0
            for entity in entities:
                last = max(last, entity.end)
                ends.append(last)
            self._ends[section] = ends
        stop = entities[number].start if number < len(entities) else section.size
        return (ends[number], stop) if ends[number] <= offset < stop else None

    def _has_contents(self, section: Section, start: int, stop: int) -> bool:
        return any(section.data[start:stop]) or bool(self.view.relocs_between(section, start, stop))

    def _references(self, section: Section) -> list[int]:
        """All offsets of ``section`` that something refers to by the section's symbol."""
        if not self._starts:
            self._find_references()
        return self._starts.get(section, [])

    def _find_references(self) -> None:
        view = self.view
        found: dict[Section, set[int]] = {section: set() for section in view.obj.sections if not section.is_text}
        for section in view.obj.sections:
            if not section.flags & c.SHF_ALLOC or view.machine.special(section.name):
                continue
            for reloc in section.relocs:
                target = reloc.symbol.section
                if target is None or target not in found or reloc.symbol in view.of_symbol:
                    continue
                entity = view.entity_at(section, reloc.offset) if section.is_text else None
                bias = view.bias(section, reloc, entity.start if entity is not None else 0)
                found[target].add(reloc.symbol.value + reloc.addend + bias)
        self._starts = {section: sorted(offsets) for section, offsets in found.items()}
