"""The model of a relocatable object: sections with their relocations, and symbols.

Section headers, symbol tables, string tables and relocation sections of the file do not
appear as sections: they are read into :class:`Symbol` and :class:`Reloc` and written anew
(:mod:`kpatch.elf.writer`).  Layout: System V gABI, chapter 4; 64 bit, either byte order.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kpatch.elf import const as c
from kpatch.errors import BadInput

__all__ = ["ElfObject", "LateRelocs", "Reloc", "Section", "Symbol"]

_EHDR = "HHIQQQIHHHHHH"
_SHDR = "IIQQQQIIQQ"
_SYM = "IBBHQQ"
_RELA = "QQq"
_MAX_BYTES = 1 << 30
_MAX_ALIGN = 1 << 21
_MAX_NAME = 1 << 14


class Symbol:
    """One symbol. ``section`` is None for undefined and special symbols; those have ``shndx``.

    ``value`` and ``size`` are in bytes, ``value`` from the start of the section.
    """

    __slots__ = ("bind", "name", "other", "section", "shndx", "size", "type", "value")

    def __init__(
        self,
        name: str,
        section: Section | None = None,
        value: int = 0,
        size: int = 0,
        bind: int = c.STB_LOCAL,
        type: int = c.STT_NOTYPE,
        other: int = 0,
        shndx: int = c.SHN_UNDEF,
    ) -> None:
        self.name = name
        self.section = section
        self.value = value
        self.size = size
        self.bind = bind
        self.type = type
        self.other = other
        self.shndx = shndx

    @property
    def is_undefined(self) -> bool:
        """Whether another object defines it."""
        return self.section is None and self.shndx == c.SHN_UNDEF

    def __repr__(self) -> str:
        where = self.section.name if self.section else hex(self.shndx)
        return f"Symbol({self.name!r}, {where}+{self.value:#x}, {self.size})"


class Reloc:
    """One relocation with addend; ``offset`` in bytes from the start of its section."""

    __slots__ = ("addend", "offset", "symbol", "type")

    def __init__(self, offset: int, type: int, symbol: Symbol, addend: int) -> None:
        self.offset = offset
        self.type = type
        self.symbol = symbol
        self.addend = addend

    def __repr__(self) -> str:
        return f"Reloc({self.offset:#x}, {self.type}, {self.symbol.name!r}, {self.addend:#x})"


class Section:
    """One section with contents. ``data`` is empty for SHT_NOBITS: ``size`` holds its length."""

    __slots__ = (
        "_pending",
        "_relocs",
        "addralign",
        "data",
        "entsize",
        "flags",
        "link",
        "name",
        "size",
        "symbol",
        "type",
    )

    def __init__(
        self,
        name: str,
        type: int = c.SHT_PROGBITS,
        flags: int = 0,
        data: bytes = b"",
        addralign: int = 1,
        entsize: int = 0,
        size: int | None = None,
    ) -> None:
        self.name = name
        self.type = type
        self.flags = flags
        self.data = data
        self.size = len(data) if size is None else size
        self.addralign = addralign
        self.entsize = entsize
        self.link: Section | None = None
        self.symbol: Symbol | None = None
        self._relocs: list[Reloc] | None = []
        self._pending: _PendingRelocs | None = None

    @property
    def relocs(self) -> list[Reloc]:
        """The relocations that apply to this section, in file order; read at first use.

        Raises :class:`BadInput` when the relocation section is damaged.
        """
        if self._relocs is None:
            assert self._pending is not None
            self._relocs = self._pending.read(self)
            self._pending = None
        return self._relocs

    @relocs.setter
    def relocs(self, value: list[Reloc]) -> None:
        self._relocs = value
        self._pending = None

    def set_pending(self, pending: _PendingRelocs) -> None:
        """Have the relocations read from ``pending`` when they are first asked for."""
        self._relocs = None
        self._pending = pending

    @property
    def is_text(self) -> bool:
        """Whether it holds instructions."""
        return bool(self.flags & c.SHF_EXECINSTR)

    @property
    def is_string(self) -> bool:
        """Whether the linker may merge its NUL-terminated strings."""
        both = c.SHF_MERGE | c.SHF_STRINGS
        return self.flags & both == both

    def __repr__(self) -> str:
        return f"Section({self.name!r}, {self.size} bytes)"


class _PendingRelocs:
    """The bytes of one SHT_RELA section until somebody wants them."""

    __slots__ = ("data", "order", "symbols", "what")

    def __init__(self, what: str, order: str, data: memoryview, symbols: list[Symbol]) -> None:
        self.what = what
        self.order = order
        self.data = data
        self.symbols = symbols

    def read(self, section: Section) -> list[Reloc]:
        symbols, limit = self.symbols, len(section.data)
        relocs = []
        try:
            for offset, info, addend in struct.iter_unpack(self.order + _RELA, self.data):
                if offset >= limit:
                    raise _damaged(self.what, f"relocation at {offset:#x} is outside of section {section.name}")
                relocs.append(Reloc(offset, info & 0xFFFFFFFF, symbols[info >> 32], addend))
        except IndexError:
            raise _damaged(self.what, f"a relocation of {section.name} names a symbol that does not exist") from None
        return relocs


class LateRelocs(NamedTuple):
    """Relocations of ``section`` that livepatch makes when a module comes: a relocation section called ``name``."""

    name: str
    section: Section
    relocs: list[Reloc]


class ElfObject:
    """A relocatable object (ET_REL). ``sections`` and ``symbols`` lack the null entries."""

    def __init__(self, machine: int, order: str = "<", flags: int = 0, osabi: int = 0) -> None:
        self.machine = machine
        self.order = order
        self.flags = flags
        self.osabi = osabi
        self.sections: list[Section] = []
        self.symbols: list[Symbol] = []
        #: members of each SHT_GROUP, with the name of the symbol that identifies the group
        self.groups: list[tuple[str, list[Section]]] = []
        self.late_relocs: list[LateRelocs] = []
        self.path = ""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ElfObject:
        """Read the object at ``path``. Raises :class:`BadInput` when it is missing or damaged."""
        try:
            status = os.stat(path)
            if status.st_size > _MAX_BYTES:
                raise _damaged(os.fspath(path), f"{status.st_size} bytes is more than any kernel object has")
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                raise _damaged(os.fspath(path), "a device, not a file")
            data = Path(path).read_bytes()
        except OSError as error:
            raise BadInput(f"cannot read {os.fspath(path)}: {error.strerror}") from error
        return cls.parse(data, os.fspath(path))

    @classmethod
    def parse(cls, data: bytes, what: str = "object") -> ElfObject:
        """The object in ``data``; ``what`` names it in messages. Raises :class:`BadInput`."""
        return _Reader(data, what).read()

    def section(self, name: str) -> Section | None:
        """The first section called ``name``, or None."""
        return next((section for section in self.sections if section.name == name), None)

    def symbol(self, name: str) -> Symbol | None:
        """The first symbol called ``name`` that is defined here, or None."""
        return next((symbol for symbol in self.symbols if symbol.name == name and symbol.section), None)

    def add_section(self, section: Section) -> Section:
        """Append ``section`` together with its section symbol."""
        self.sections.append(section)
        section.symbol = Symbol("", section, type=c.STT_SECTION)
        self.symbols.append(section.symbol)
        return section

    def add_symbol(self, symbol: Symbol) -> Symbol:
        """Append ``symbol``."""
        self.symbols.append(symbol)
        return symbol

    def to_bytes(self) -> bytes:
        """The object as a file's contents; the same object gives the same bytes."""
        from kpatch.elf.writer import serialize

        return serialize(self)


def _damaged(what: str, why: str) -> BadInput:
    return BadInput(f"{what}: {why}", "the file is damaged or not an object of the kernel build: build it again")


class _Header:
    """One raw section header."""

    __slots__ = ("addralign", "entsize", "flags", "info", "link", "name", "offset", "size", "type")

    def __init__(self, fields: tuple[int, ...]) -> None:
        (self.name, self.type, self.flags, _, self.offset, self.size, self.link, self.info, align, self.entsize) = (
            fields
        )
        self.addralign = align


class _Reader:
    """Reads one file; every number in it is checked before it is used."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data = memoryview(data)
        self.what = what
        self.by_index: dict[int, Section] = {}

    def fail(self, why: str) -> BadInput:
        return _damaged(self.what, why)

    def read(self) -> ElfObject:
        obj = self._read_header()
        obj.path = self.what
        headers = self._read_section_headers()
        names = self._bytes_of(headers[self.shstrndx]) if self.shstrndx < len(headers) else b""
        self._make_sections(obj, headers, names)
        self._read_symbols(obj, headers)
        self._attach_relocs(obj, headers, names)
        self._read_groups(obj, headers)
        return obj

    def _read_header(self) -> ElfObject:
        ident = bytes(self.data[:16])
        if len(self.data) < 64 or ident[:4] != c.ELF_MAGIC:
            raise self.fail("not an ELF file")
        if ident[4] != c.ELFCLASS64 or ident[5] not in (c.ELFDATA2LSB, c.ELFDATA2MSB):
            raise self.fail("not a 64 bit ELF file")
        self.order = "<" if ident[5] == c.ELFDATA2LSB else ">"
        fields = struct.unpack_from(self.order + _EHDR, self.data, 16)
        e_type, machine, _, _, _, self.shoff, flags, _, _, _, self.shentsize, self.shnum, self.shstrndx = fields
        if e_type != c.ET_REL:
            raise self.fail(f"not a relocatable object (e_type {e_type})")
        return ElfObject(machine, self.order, flags, ident[7])

    def _read_section_headers(self) -> list[_Header]:
        layout = struct.Struct(self.order + _SHDR)
        if self.shentsize != layout.size or self.shoff + layout.size > len(self.data):
            raise self.fail("no section headers")
        first = _Header(layout.unpack_from(self.data, self.shoff))
        count = self.shnum or first.size
        if self.shstrndx == c.SHN_XINDEX:
            self.shstrndx = first.link
        if self.shoff + count * layout.size > len(self.data):
            raise self.fail("the section headers lie outside of the file")
        table = self.data[self.shoff : self.shoff + count * layout.size]
        return [_Header(fields) for fields in layout.iter_unpack(table)]

    def _bytes_of(self, header: _Header) -> bytes:
        return bytes(self._view_of(header))

    def _view_of(self, header: _Header) -> memoryview:
        if header.type == c.SHT_NOBITS:
            return self.data[:0]
        if header.offset + header.size > len(self.data):
            raise self.fail("a section lies outside of the file (truncated?)")
        return self.data[header.offset : header.offset + header.size]

    def _name_at(self, table: bytes, offset: int) -> str:
        end = table.find(b"\0", offset, offset + _MAX_NAME)
        if offset >= len(table) or end < 0:
            if offset == 0:
                return ""
            raise self.fail("a name lies outside of its string table, or has no end")
        return table[offset:end].decode("utf-8", "surrogateescape")

    def _make_sections(self, obj: ElfObject, headers: list[_Header], names: bytes) -> None:
        symtabs = [header for header in headers if header.type == c.SHT_SYMTAB]
        tables = {self.shstrndx, *(header.link for header in symtabs)}
        skipped = {c.SHT_NULL, c.SHT_SYMTAB, c.SHT_RELA, c.SHT_GROUP, c.SHT_SYMTAB_SHNDX}
        for index, header in enumerate(headers):
            if header.type in skipped or (header.type == c.SHT_STRTAB and index in tables):
                continue
            name = self._name_at(names, header.name)
            if header.type == c.SHT_REL:
                raise self.fail(f"section {name} holds relocations without addends")
            if header.addralign & (header.addralign - 1):
                raise self.fail(f"the alignment of section {name} is no power of two")
            if header.size > _MAX_BYTES or header.addralign > _MAX_ALIGN:
                raise self.fail(f"section {name} is larger than any kernel object")
            if header.type == c.SHT_NOBITS and header.flags & c.SHF_EXECINSTR and header.size:
                raise self.fail(f"section {name} holds code, but has no contents")
            both = c.SHF_MERGE | c.SHF_STRINGS
            if header.flags & both == both and header.entsize not in (0, 1, 2, 4, 8):
                raise self.fail(f"section {name} has characters of {header.entsize} bytes")
            section = Section(
                name, header.type, header.flags, self._bytes_of(header), header.addralign, header.entsize, header.size
            )
            self.by_index[index] = section
            obj.sections.append(section)
        for index, section in self.by_index.items():
            if section.flags & c.SHF_LINK_ORDER:
                section.link = self.by_index.get(headers[index].link)

    def _read_symbols(self, obj: ElfObject, headers: list[_Header]) -> None:
        tables = [(index, header) for index, header in enumerate(headers) if header.type == c.SHT_SYMTAB]
        if len(tables) != 1:
            raise self.fail("no symbol table" if not tables else "more than one symbol table")
        self.symtab_index, header = tables[0]
        if header.link >= len(headers):
            raise self.fail("the symbol table has no string table")
        names = self._bytes_of(headers[header.link])
        layout = struct.Struct(self.order + _SYM)
        raw = self._view_of(header)
        if len(raw) % layout.size or not len(raw):
            raise self.fail("the symbol table is cut off")
        extended = self._extended_indexes(headers, len(raw) // layout.size)
        self.symbols: list[Symbol] = []
        for number, (name, info, other, shndx, value, size) in enumerate(layout.iter_unpack(raw)):
            index = extended[number] if shndx == c.SHN_XINDEX and extended else shndx
            section = self._section_of_symbol(index, shndx)
            kind = info & 0xF
            if shndx != c.SHN_UNDEF and section is None and index >= len(headers) and not self._is_reserved(shndx):
                raise self.fail(f"symbol {self._name_at(names, name)!r} names a section that does not exist")
            extent = size if kind in (c.STT_OBJECT, c.STT_FUNC, c.STT_TLS) else 0
            if section is not None and value + extent > section.size:
                raise self.fail(f"symbol {self._name_at(names, name)!r} lies outside of section {section.name}")
            symbol = Symbol(
                self._name_at(names, name), section, value, size, info >> 4, kind, other, 0 if section else shndx
            )
            if kind == c.STT_SECTION and section is not None and section.symbol is None:
                section.symbol = symbol
            self.symbols.append(symbol)
        obj.symbols = self.symbols[1:]

    def _extended_indexes(self, headers: list[_Header], count: int) -> tuple[int, ...]:
        for header in headers:
            if header.type == c.SHT_SYMTAB_SHNDX:
                raw = self._view_of(header)
                if len(raw) != 4 * count:
                    raise self.fail("the extended section index table has the wrong length")
                return struct.unpack(f"{self.order}{count}I", raw)
        return ()

    @staticmethod
    def _is_reserved(shndx: int) -> bool:
        return shndx >= c.SHN_LORESERVE and shndx != c.SHN_XINDEX

    def _section_of_symbol(self, index: int, shndx: int) -> Section | None:
        if shndx == c.SHN_UNDEF or self._is_reserved(shndx):
            return None
        return self.by_index.get(index)

    def _attach_relocs(self, obj: ElfObject, headers: list[_Header], names: bytes) -> None:
        for header in headers:
            if header.type != c.SHT_RELA:
                continue
            section = self.by_index.get(header.info)
            if section is None or header.link != self.symtab_index:
                raise self.fail("a relocation section belongs to no section")
            raw = self._view_of(header)
            if len(raw) % struct.calcsize(self.order + _RELA):
                raise self.fail(f"the relocations of {section.name} are cut off")
            pending = _PendingRelocs(self.what, self.order, raw, self.symbols)
            if header.flags & c.SHF_RELA_LIVEPATCH:
                obj.late_relocs.append(LateRelocs(self._name_at(names, header.name), section, pending.read(section)))
            else:
                section.set_pending(pending)

    def _read_groups(self, obj: ElfObject, headers: list[_Header]) -> None:
        for header in headers:
            if header.type != c.SHT_GROUP:
                continue
            raw = self._view_of(header)
            if len(raw) % 4 or header.info >= len(self.symbols):
                raise self.fail("a section group is damaged")
            words = struct.unpack(f"{self.order}{len(raw) // 4}I", raw)
            members = [self.by_index[index] for index in words[1:] if index in self.by_index]
            obj.groups.append((self.symbols[header.info].name, members))


def sort_relocs(relocs: Iterable[Reloc]) -> list[Reloc]:
    """``relocs`` by offset; equal offsets keep their order."""
    return sorted(relocs, key=lambda reloc: reloc.offset)
