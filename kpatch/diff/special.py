"""Entries of special sections, by the code that each belongs to.

The size of an entry comes from the object: ``sh_entsize``, or the one of the sizes that
kernels have used; with it, every entry begins with a reference to code.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from kpatch.arch.machine import Special
from kpatch.diff.model import Body, Entity, Ref, View
from kpatch.elf.object import Section
from kpatch.errors import Unpatchable

__all__ = ["Entry", "SpecialTables", "blob_size"]


class Entry(NamedTuple):
    """One entry: ``section[start:stop]``, and the reference to its code."""

    special: Special
    section: Section
    start: int
    stop: int
    site: Ref


class SpecialTables:
    """All entries of the special sections of one object."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.by_function: dict[Entity, list[Entry]] = {}
        self.by_fragment: dict[Section, list[Entry]] = {}
        #: tables whose entries have a size that no kernel is known to have
        self.unknown: dict[Section, Unpatchable] = {}
        self._by_section: dict[Section, list[Entry]] = {}
        self._starts: dict[Section, list[int]] = {}
        self._fragment_starts: dict[Section, list[int]] = {}
        for section in view.obj.sections:
            special = view.machine.special(section.name)
            if special is not None and section.size:
                try:
                    self._read(special, section)
                except Unpatchable as error:
                    self.unknown[section] = error
        for entries in (*self.by_function.values(), *self.by_fragment.values()):
            # not the order of the sections: that is the order in which the whole file first used them
            entries.sort(key=lambda entry: (entry.section.name, entry.start))
        self._find_fragments()

    def entries_of(self, function: Entity) -> list[Entry]:
        """The entries whose code lies in ``function``, by section and place."""
        return self.by_function.get(function, [])

    def entries_in(self, section: Section, start: int, stop: int) -> list[Entry]:
        """The entries whose code lies in the code fragment ``section[start:stop]``."""
        return [entry for entry in self.by_fragment.get(section, ()) if start <= entry.site.offset < stop]

    def entries_of_range(self, function: Entity, start: int, stop: int) -> list[Entry]:
        """Those of ``function``, and those of places in ``start:stop`` that no function covers (its end)."""
        entries = [*self.entries_of(function), *self.entries_in(function.section, start, stop + 1)]
        return sorted(entries, key=lambda entry: (entry.section.name, entry.start))

    def entries_of_section(self, section: Section) -> list[Entry]:
        """All entries whose code lies in ``section``."""
        entries = list(self.by_fragment.get(section, ()))
        for function in self.view.in_section.get(section, ()):
            entries += self.entries_of(function)
        return entries

    def entry_at(self, section: Section, offset: int) -> Entry | None:
        """The entry that ``section[offset]`` belongs to: code refers to its own one (WARN() since 6.19)."""
        entries = self._by_section.get(section, [])
        number = bisect_right(self._starts.get(section, []), offset) - 1
        return entries[number] if number >= 0 and offset < entries[number].stop else None

    def body(self, entry: Entry) -> Body:
        """What ``entry`` says, without what does not matter for a change (line numbers)."""
        body = self.view.body(entry.section, entry.start, entry.stop)
        ignored = entry.special.ignore.get(entry.stop - entry.start)
        if ignored is None:
            return body
        start, stop = ignored
        return Body(body.data[:start] + bytes(stop - start) + body.data[stop:], body.refs)

    def _read(self, special: Special, section: Section) -> None:
        size = entry_size(self.view, special, section)
        for start in range(0, section.size, size):
            stop = min(start + size, section.size)
            relocs = self.view.relocs_between(section, start + special.site, start + special.site + 1)
            if not relocs:
                continue
            site = self.view.ref(section, relocs[0])
            entry = Entry(special, section, start, stop, site)
            self._by_section.setdefault(section, []).append(entry)
            self._starts.setdefault(section, []).append(start)
            if site.kind == "entity" and isinstance(site.target, Entity):
                self.by_function.setdefault(site.target, []).append(entry)
            elif site.kind == "place" and isinstance(site.target, Section):
                self.by_fragment.setdefault(site.target, []).append(entry)

    def _find_fragments(self) -> None:
        names = self.view.machine.fragment_sections
        wanted = {section for section in self.view.obj.sections if section.name in names}
        if not wanted:
            return
        starts: dict[Section, set[int]] = {section: set() for section in wanted}
        for section in self.view.obj.sections:
            special = self.view.machine.special(section.name)
            if not section.is_text and special is None:
                continue
            for reloc in section.relocs:
                target = reloc.symbol.section
                if target not in wanted or target is section:
                    continue
                if special is not None and not self._is_blob_slot(special, section, reloc.offset):
                    continue
                offset = reloc.symbol.value + reloc.addend + self.view.bias(section, reloc, 0)
                starts[target].add(offset)
        self._fragment_starts = {section: sorted(offsets) for section, offsets in starts.items()}

    def _is_blob_slot(self, special: Special, section: Section, offset: int) -> bool:
        if section in self.unknown:
            return True
        return bool(special.blobs) and offset % entry_size(self.view, special, section) in special.blobs

    def fragment(self, section: Section, offset: int) -> tuple[int, int]:
        """Start and end of the code fragment of ``section`` that ``offset`` lies in."""
        starts = self._fragment_starts.get(section, [])
        number = bisect_right(starts, offset) - 1
        start = starts[number] if number >= 0 else 0
        stop = starts[number + 1] if number + 1 < len(starts) else section.size
        return start, stop

    def blob(self, entry: Entry | None, slot: int, section: Section, offset: int) -> tuple[int, int]:
        """Start and end of the code fragment ``section+offset``, which ``slot`` of ``entry`` leads to."""
        size = blob_size(entry, slot) if entry is not None and slot in entry.special.blobs else None
        return self.fragment(section, offset) if size is None else (offset, offset + size)


def blob_size(entry: Entry, slot: int) -> int | None:
    """Bytes of the code fragment that ``slot`` of ``entry`` leads to; None when nothing tells."""
    place = entry.special.blobs[slot]
    if place is None:
        return None
    at = place.get(entry.stop - entry.start)
    if at is None:
        raise Unpatchable(f"an entry of {entry.section.name} has {entry.stop - entry.start} bytes, a size not known")
    return entry.section.data[entry.start + at]


def entry_size(view: View, special: Special, section: Section) -> int:
    """Bytes of one entry of ``section``. Raises Unpatchable when the object does not tell."""
    if section.entsize > 1 and _begin_with_code(view, special, section, section.entsize):
        return section.entsize
    for size in special.sizes:
        if _fits(view, special, section, size):
            return size
    if _is_of_one_function(view, special, section):
        return section.size
    raise Unpatchable(
        f"the entries of section {section.name} ({section.size} bytes) have none of the known sizes {special.sizes}",
        "report the object: this kernel has a new layout of the section",
    )


def _begin_with_code(view: View, special: Special, section: Section, size: int) -> bool:
    """Whether entries of ``size`` bytes fill the section, each with a reference to code where it must have one."""
    if section.size % size and not special.short_tail:
        return False
    starts = range(0, section.size, size)
    return all(_is_code(view, section, special, start) for start in starts)


def _fits(view: View, special: Special, section: Section, size: int) -> bool:
    """Whether entries of ``size`` bytes also look alike, and refer to nothing before the code."""
    if not _begin_with_code(view, special, section, size):
        return False
    patterns = {
        tuple((reloc.offset - start, reloc.type) for reloc in view.relocs_between(section, start, start + size))
        for start in range(0, section.size, size)
    }
    return len(patterns) == 1 and next(iter(patterns))[0][0] == special.site


def _is_of_one_function(view: View, special: Special, section: Section) -> bool:
    """Whether it does not matter where entries begin: all belong to one function, and no field must be found."""
    if special.key or any(special.blobs.values()) or not _begin_with_code(view, special, section, section.size):
        return False
    refs = [view.ref(section, reloc) for reloc in view.relocs_between(section, 0, section.size)]
    return len({ref.target for ref in refs if isinstance(ref.target, Entity) and ref.target.is_function}) == 1


def _is_code(view: View, section: Section, special: Special, start: int) -> bool:
    relocs = view.relocs_between(section, start + special.site, start + special.site + 1)
    target = relocs[0].symbol.section if relocs else None
    # what an entry of __ex_table leads to is not where it begins; the unwinder's entries may be of such code
    return target is not None and target.is_text and not (special.blobs and target.name == ".fixup")
