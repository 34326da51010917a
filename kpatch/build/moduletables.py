"""The sections that tell the core of modules: ``.kpatch.relocs`` and ``.kpatch.objects`` (docs/module-format.md)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kpatch.build.inmodule import Place
from kpatch.build.sections import ADDRESS_RELOC, Strings
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import BadInput
from kpatch.kernel.modules import Modules

__all__ = ["PlacedReloc", "add_relocs", "objects_object", "read_relocs"]

_RELOC = struct.Struct("<QQQQqII")
_RELOCS = ".kpatch.relocs"
_OBJECT = struct.Struct("<QQIIQ")


def add_relocs(obj: ElfObject, objname: str, places: Sequence[Place]) -> None:
    """Append to ``obj`` a ``.kpatch.relocs`` entry for each of ``places``, fields of it to write for ``objname``."""
    if not places:
        return
    address = ADDRESS_RELOC[obj.machine]
    table = obj.add_section(Section(_RELOCS, flags=c.SHF_ALLOC, addralign=8))
    strings = Strings(obj)
    for place in places:
        at, symbol, target = len(table.data), _start_of(obj, place.section), place.target
        table.data += _RELOC.pack(0, 0, 0, 0, place.reloc.addend + target.offset, target.sympos, place.reloc.type)
        table.relocs.append(Reloc(at, address, symbol, place.reloc.offset))
        for slot, text in ((8, objname), (16, target.name), (24, target.module)):
            table.relocs.append(strings.reloc(at + slot, address, strings.add(text)))
    table.size = len(table.data)


def _start_of(obj: ElfObject, section: Section) -> Symbol:
    """The symbol of ``section``; an assembler leaves out those that nothing refers to."""
    if section.symbol is None:
        section.symbol = obj.add_symbol(Symbol("", section, type=c.STT_SECTION))
    return section.symbol


class PlacedReloc(NamedTuple):
    """One entry of ``.kpatch.relocs``, read back: what is written at ``section`` + ``offset`` for ``objname``."""

    section: Section
    offset: int
    type: int
    addend: int
    objname: str
    module: str
    symbol: str
    sympos: int


def read_relocs(obj: ElfObject) -> list[PlacedReloc]:
    """The ``.kpatch.relocs`` entries of a linked hot patch module."""
    table, found = obj.section(_RELOCS), []
    relocs = {reloc.offset: reloc for reloc in table.relocs} if table else {}
    for at in range(0, table.size if table else 0, _RELOC.size):
        assert table is not None
        *_, addend, sympos, kind = _RELOC.unpack_from(table.data, at)
        place = relocs[at]
        assert place.symbol.section is not None
        objname, symbol, module = (_text_at(relocs[at + slot]) for slot in (8, 16, 24))
        offset = place.symbol.value + place.addend
        found.append(PlacedReloc(place.symbol.section, offset, kind, addend, objname, module, symbol, sympos))
    return found


def _text_at(reloc: Reloc) -> str:
    section, start = reloc.symbol.section, reloc.symbol.value + reloc.addend
    assert section is not None
    return section.data[start : section.data.index(b"\0", start)].decode()


def objects_object(machine: int, names: Iterable[str], modules: Modules) -> ElfObject:
    """An object with the ``.kpatch.objects`` entries of the modules called ``names``.

    Raises :class:`BadInput` for a module that does not say which build it is.
    """
    obj = ElfObject(machine)
    table = obj.add_section(Section(".kpatch.objects", flags=c.SHF_ALLOC, addralign=8))
    strings = Strings(obj)
    for name in names:
        image = modules.get(name)
        if not image.build_id:
            raise BadInput(
                f"{image.where} has no build-id, by which the core could tell it from another build",
                "build the module with ld's --build-id, as kbuild does, and do not strip its notes",
            )
        at = len(table.data)
        table.data += _OBJECT.pack(0, 0, len(image.build_id), 0, 0)
        table.relocs.append(strings.reloc(at, ADDRESS_RELOC[machine], strings.add(name)))
        build_id = strings.add_bytes(f"\0{name}", image.build_id)
        table.relocs.append(strings.reloc(at + 8, ADDRESS_RELOC[machine], build_id))
    table.size = len(table.data)
    return obj
