"""``__mcount_loc`` for objects that lack it: ftrace must know the new functions too."""

from __future__ import annotations

from kpatch.arch.machine import Machine
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section

__all__ = ["list_profiling_calls"]


def list_profiling_calls(out: ElfObject, machine: Machine) -> int:
    """Add an entry for each profiling call of ``out`` when no table has any; returns how many."""
    if any(out.section(name) for name in machine.profiling_tables):
        return 0
    places = [
        (section, reloc.offset - 1)
        for section in out.sections
        if section.is_text
        for reloc in section.relocs
        if reloc.symbol.name in machine.profiling_calls and reloc.symbol.is_undefined
    ]
    if not places:
        return 0
    flags = c.SHF_ALLOC | c.SHF_WRITE
    table = out.add_section(Section("__mcount_loc", flags=flags, data=bytes(8 * len(places)), addralign=8))
    for number, (section, offset) in enumerate(places):
        assert section.symbol is not None
        table.relocs.append(Reloc(8 * number, machine.r_abs64, section.symbol, offset))
    return len(places)
