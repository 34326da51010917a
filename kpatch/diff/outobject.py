"""The out object while it is being made: copies of ranges, tables that grow, pools of strings, undefined symbols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol

__all__ = ["Copied", "OutObject"]


class Copied(NamedTuple):
    """``section[start:stop]`` of the patched object, which lies at ``at`` in ``out`` now."""

    section: Section
    start: int
    stop: int
    out: Section
    at: int


class OutObject:
    """An object made of pieces of ``source``; offsets and sizes in bytes."""

    def __init__(self, source: ElfObject) -> None:
        self.elf = ElfObject(source.machine, source.order, source.flags, source.osabi)
        self._weak = {symbol.name for symbol in source.symbols if symbol.is_undefined and symbol.bind == c.STB_WEAK}
        self._copies: dict[tuple[Section, int], Section] = {}
        #: sections that grow, by name, with their contents
        self._growing: dict[str, tuple[Section, bytearray]] = {}
        #: where the pieces of each pool are
        self._pools: dict[str, dict[bytes, int]] = {}
        self._undefined: dict[str, Symbol] = {}
        self._absolute: dict[int, Symbol] = {}
        self._pending: list[Copied] = []

    # -- sections ---------------------------------------------------------------------------

    def new_section(self, section: Section, start: int, stop: int, name: str) -> Section:
        """A section of its own for ``section[start:stop]``; nothing is noted for relocation."""
        data = b"" if section.type == c.SHT_NOBITS else section.data[start:stop]
        align = _alignment(section, start)
        copy = Section(name, section.type, _flags(section), data, align, section.entsize, stop - start)
        return self.elf.add_section(copy)

    def copy(self, section: Section, start: int, stop: int) -> Section:
        """A section of its own for ``section[start:stop]``, made at the first call."""
        known = self._copies.get((section, start))
        if known is None:
            known = self._copies[section, start] = self.new_section(section, start, stop, section.name)
            self.relocate_later(Copied(section, start, stop, known, 0))
        return known

    def append(self, section: Section, start: int, stop: int, align: int = 1) -> tuple[Section, int]:
        """Append ``section[start:stop]`` to the out object's section of that name. Returns that, and the offset."""
        out, data = self._table(section)
        data += bytes(-len(data) % align)
        offset = len(data)
        data += section.data[start:stop]
        self.relocate_later(Copied(section, start, stop, out, offset))
        return out, offset

    def append_zeros(self, section: Section, count: int) -> tuple[Section, int]:
        """Append zeros to the out object's section that is called like ``section``."""
        out, data = self._table(section)
        data += bytes(count)
        return out, len(data) - count

    def _table(self, section: Section) -> tuple[Section, bytearray]:
        known = self._growing.get(section.name)
        if known is None:
            out = Section(section.name, section.type, _flags(section), b"", section.addralign, section.entsize)
            known = self._growing[section.name] = self.elf.add_section(out), bytearray()
        return known

    def pooled(self, kind: str, data: bytes, offset: int) -> tuple[Symbol, int]:
        """Where a string (``str``: ``offset`` is the width of a character) or a merged constant (``const``) is."""
        width, inner = (offset, 0) if kind == "str" else (len(data), offset)
        name = f".rodata.str{width}.{width}" if kind == "str" else f".rodata.cst{width}"
        # Not mergeable any more: references into merged sections go to symbols, a linker may move the pieces apart.
        out, contents = self._table(Section(name, flags=c.SHF_ALLOC, addralign=width & -width))
        pool = self._pools.setdefault(name, {})
        if data not in pool:
            pool[data] = len(contents)
            contents += data
        assert out.symbol is not None
        return out.symbol, pool[data] + inner

    # -- symbols ----------------------------------------------------------------------------

    def undefined(self, name: str) -> Symbol:
        """The reference to ``name`` of the running kernel; a weak one may lead nowhere."""
        symbol = self._undefined.get(name)
        if symbol is None:
            bind = c.STB_WEAK if name in self._weak else c.STB_GLOBAL
            symbol = self._undefined[name] = self.elf.add_symbol(Symbol(name, bind=bind))
        return symbol

    def absolute(self, value: int) -> Symbol:
        """A symbol with this value."""
        symbol = self._absolute.get(value)
        if symbol is None:
            symbol = Symbol(f"kpatch_abs_{value:x}", None, value, shndx=c.SHN_ABS)
            self._absolute[value] = self.elf.add_symbol(symbol)
        return symbol

    @property
    def references(self) -> list[str]:
        """The names of all undefined symbols."""
        return sorted(self._undefined)

    # -- what is left to do -----------------------------------------------------------------

    def relocate_later(self, copied: Copied) -> None:
        """Note that the references of a copy are to be made."""
        self._pending.append(copied)

    def pending(self) -> Iterator[Copied]:
        """The copies that were noted, until there are no more, those that are noted meanwhile included."""
        done = 0
        while done < len(self._pending):
            yield self._pending[done]
            done += 1
        self._pending.clear()

    def finish(self) -> ElfObject:
        """The object; call it once, when nothing is pending."""
        for section, contents in self._growing.values():
            section.data, section.size = bytes(contents), len(contents)
        for section in self.elf.sections:
            section.relocs.sort(key=lambda reloc: reloc.offset)
        return self.elf


def _flags(section: Section) -> int:
    return section.flags & ~(c.SHF_GROUP | c.SHF_LINK_ORDER)


def _alignment(section: Section, start: int) -> int:
    """The strictest alignment that a copy from ``start`` on still needs."""
    align = max(section.addralign, 1)
    while start % align:
        align //= 2
    return align
