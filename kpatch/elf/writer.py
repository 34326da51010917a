"""Writes the model of an object as an ELF file: one layout for one model, bit for bit."""

from __future__ import annotations

import struct

from kpatch.elf import const as c
from kpatch.elf.object import _EHDR, _RELA, _SHDR, _SYM, ElfObject, Reloc, Section, Symbol

__all__ = ["serialize"]


class _Strings:
    """A string table under construction."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self.offsets: dict[str, int] = {"": 0}

    def add(self, name: str) -> int:
        if name not in self.offsets:
            self.offsets[name] = len(self.data)
            self.data += name.encode("utf-8", "surrogateescape") + b"\0"
        return self.offsets[name]


class _Row:
    """One section header with the bytes that it describes."""

    def __init__(self, name: str, type: int, data: bytes, **fields: int) -> None:
        self.name = name
        self.type = type
        self.data = data
        self.size = fields.get("size", len(data))
        self.flags = fields.get("flags", 0)
        self.link = fields.get("link", 0)
        self.info = fields.get("info", 0)
        self.addralign = fields.get("addralign", 1)
        self.entsize = fields.get("entsize", 0)


def serialize(obj: ElfObject) -> bytes:
    """``obj`` as the contents of a file: its sections, their relocations, then the tables."""
    if len(obj.sections) * 2 + len(obj.late_relocs) + 4 >= c.SHN_LORESERVE:
        raise ValueError("more sections than the writer supports")
    index_of = {section: number for number, section in enumerate(obj.sections, 1)}
    symbols = sorted(obj.symbols, key=lambda symbol: symbol.bind != c.STB_LOCAL)
    locals_count = 1 + sum(symbol.bind == c.STB_LOCAL for symbol in symbols)
    number_of = {symbol: number for number, symbol in enumerate(symbols, 1)}
    with_relocs = [section for section in obj.sections if section.relocs]
    symtab_index = 1 + len(obj.sections) + len(with_relocs) + len(obj.late_relocs)

    rows = [_content_row(section, index_of) for section in obj.sections]
    rows += [
        _rela_row(obj, ".rela" + section.name, section.relocs, index_of[section], symtab_index, number_of)
        for section in with_relocs
    ]
    for late in obj.late_relocs:
        row = _rela_row(obj, late.name, late.relocs, index_of[late.section], symtab_index, number_of)
        row.flags |= c.SHF_ALLOC | c.SHF_RELA_LIVEPATCH
        rows.append(row)
    strings = _Strings()
    symtab = _symtab(obj, symbols, index_of, strings)
    rows.append(
        _Row(".symtab", c.SHT_SYMTAB, symtab, link=symtab_index + 1, info=locals_count, addralign=8, entsize=24)
    )
    rows.append(_Row(".strtab", c.SHT_STRTAB, bytes(strings.data)))
    return _lay_out(obj, rows)


def _content_row(section: Section, index_of: dict[Section, int]) -> _Row:
    link = index_of.get(section.link, 0) if section.link else 0
    flags = section.flags & ~c.SHF_GROUP
    if not link:
        flags &= ~c.SHF_LINK_ORDER
    return _Row(
        section.name,
        section.type,
        b"" if section.type == c.SHT_NOBITS else bytes(section.data),
        size=section.size,
        flags=flags,
        link=link,
        addralign=section.addralign,
        entsize=section.entsize,
    )


def _rela_row(
    obj: ElfObject, name: str, relocs: list[Reloc], index: int, symtab: int, number_of: dict[Symbol, int]
) -> _Row:
    layout = struct.Struct(obj.order + _RELA)
    data = b"".join(
        layout.pack(reloc.offset, number_of[reloc.symbol] << 32 | reloc.type, reloc.addend) for reloc in relocs
    )
    return _Row(
        name,
        c.SHT_RELA,
        data,
        flags=c.SHF_INFO_LINK,
        link=symtab,
        info=index,
        addralign=8,
        entsize=layout.size,
    )


def _symtab(obj: ElfObject, symbols: list[Symbol], index_of: dict[Section, int], strings: _Strings) -> bytes:
    layout = struct.Struct(obj.order + _SYM)
    out = bytearray(layout.size)
    for symbol in symbols:
        shndx = index_of[symbol.section] if symbol.section else symbol.shndx
        info = symbol.bind << 4 | symbol.type
        name = 0 if symbol.type == c.STT_SECTION else strings.add(symbol.name)
        out += layout.pack(name, info, symbol.other, shndx, symbol.value, symbol.size)
    return bytes(out)


def _lay_out(obj: ElfObject, rows: list[_Row]) -> bytes:
    names = _Strings()
    rows = [*rows, _Row(".shstrtab", c.SHT_STRTAB, b"")]
    name_offsets = [names.add(row.name) for row in rows]
    rows[-1].data = bytes(names.data)
    rows[-1].size = len(rows[-1].data)

    body = bytearray(64)
    headers = bytearray(64)
    for row, name in zip(rows, name_offsets):
        body += bytes(-len(body) % max(row.addralign, 1))
        headers += struct.pack(
            obj.order + _SHDR,
            *(name, row.type, row.flags, 0, len(body), row.size, row.link, row.info, row.addralign, row.entsize),
        )
        body += row.data
    body += bytes(-len(body) % 8)
    data_encoding = c.ELFDATA2LSB if obj.order == "<" else c.ELFDATA2MSB
    ident = c.ELF_MAGIC + bytes((c.ELFCLASS64, data_encoding, 1, obj.osabi)) + bytes(8)
    count = len(rows) + 1
    header = struct.pack(
        obj.order + _EHDR, c.ET_REL, obj.machine, 1, 0, 0, len(body), obj.flags, 64, 0, 0, 64, count, count - 1
    )
    body[:64] = ident + header
    return bytes(body + headers)
