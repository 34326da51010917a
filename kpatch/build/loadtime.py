"""What the kernel does to a hot patch while it loads it must not need a module that may not be there yet.

Tables of code places (jump labels, static calls, alternatives, exceptions) are read when the hot patch is
loaded; the core fills in what lies in modules later.  Entries that can be done without are dropped, the rest
is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kpatch.arch.machine import Machine, Special
from kpatch.build.inmodule import Place
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section

__all__ = ["LoadTime", "settle_load_time"]

_SILENT = ("__tracepoint_", "__UNIQUE_ID_ddebug")
_JUMP_LABELS, _STATIC_CALLS, _ALTERNATIVES = "__jump_table", ".static_call_sites", ".altinstructions"


@dataclass
class LoadTime:
    """``places`` that stay for the core, and what to tell the user."""

    places: list[Place] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def settle_load_time(obj: ElfObject, machine: Machine, places: Sequence[Place]) -> LoadTime:
    """Drop the entries of ``obj``'s tables that refer to modules, where that is sound; changes ``obj``."""
    done = LoadTime()
    dropped: dict[Section, set[int]] = {}
    replaced = _alternative_ranges(obj, machine)
    for place in places:
        section, at = place.section, place.reloc.offset
        special = machine.special(section.name)
        if special is not None and special.key:
            size = _entry_size(section, special, at)
            entry = at - special.key.get(size, 0)
            failure = (
                _drop_entry(obj, machine, section, entry, place.target.name, done) if size else "of an unknown layout"
            )
            if failure:
                done.failures.append(f"{place.target.name} of module {place.target.module} ({failure})")
            dropped.setdefault(section, set()).update(range(entry, entry + size))
        elif special is not None or section.name == ".altinstr_replacement" or section.name.startswith(".kpatch."):
            done.failures.append(f"{place.target.name} of module {place.target.module} (in section {section.name})")
        elif any(start <= at < stop for start, stop in replaced.get(section, ())):
            done.failures.append(
                f"{place.target.name} of module {place.target.module} (in code that has alternatives)"
            )
        else:
            done.places.append(place)
    for section, gone in dropped.items():
        _remove(section, gone)
    return done


def _drop_entry(obj: ElfObject, machine: Machine, section: Section, entry: int, key: str, done: LoadTime) -> str:
    """Make the site of the entry at ``entry`` do without it; why that cannot be, or ""."""
    site = next((reloc for reloc in section.relocs if reloc.offset == entry), None)
    if site is None or site.symbol.section is None:
        return "its site is not in the hot patch"
    if section.name == _STATIC_CALLS:
        return ""  # the call goes to the trampoline, which the kernel keeps up to date as well
    if not key.startswith(_SILENT):
        return "a static key: use static_key_enabled() in the patched function instead of static_branch_*()"
    code, at = site.symbol.section, site.symbol.value + site.addend
    nop = machine.jump_nops.get(code.data[at])
    if nop:
        code.data = code.data[:at] + nop + code.data[at + len(nop) :]
        code.relocs = [reloc for reloc in code.relocs if not at <= reloc.offset < at + len(nop)]
    done.warnings.append(f"{_function_at(obj, code, at)}: {key} stays silent while the hot patch is in force")
    return ""


def _function_at(obj: ElfObject, section: Section, at: int) -> str:
    for symbol in obj.symbols:
        if symbol.type == c.STT_FUNC and symbol.section is section and symbol.value <= at < symbol.value + symbol.size:
            return symbol.name
    return section.name


def _entry_size(section: Section, special: Special, at: int) -> int:
    """Bytes of an entry whose key is named at ``at``: each entry begins with its site; 0 when nothing fits."""
    sites = {reloc.offset for reloc in section.relocs}
    for size in special.sizes:
        fits = section.size % size == 0 and all(start in sites for start in range(0, section.size, size))
        if fits and at % size == special.key.get(size):
            return size
    return 0


def _remove(section: Section, gone: set[int]) -> None:
    """Take the bytes at the offsets ``gone`` out of a table that nothing refers into."""
    kept = [at for at in range(section.size) if at not in gone]
    new = {old: at for at, old in enumerate(kept)}
    section.data = bytes(section.data[at] for at in kept)
    section.size = len(kept)
    section.relocs = [
        Reloc(new[reloc.offset], reloc.type, reloc.symbol, reloc.addend)
        for reloc in section.relocs
        if reloc.offset in new
    ]


def _alternative_ranges(obj: ElfObject, machine: Machine) -> dict[Section, list[tuple[int, int]]]:
    """Where code is overwritten by alternatives: the replacement has another reference, or none."""
    found: dict[Section, list[tuple[int, int]]] = {}
    for table in (section for section in obj.sections if section.name == _ALTERNATIVES):
        sites = sorted(table.relocs, key=lambda reloc: reloc.offset)[::2]
        steps = {second.offset - first.offset for first, second in zip(sites, sites[1:])} or {table.size}
        length_at = (machine.specials[_ALTERNATIVES].blobs[4] or {}).get(min(steps))
        for site in sites:
            if site.symbol.section is not None and length_at is not None:
                start = site.symbol.value + site.addend
                # The length of the old code stands before that of the new code.
                length = table.data[site.offset + length_at - 1]
                found.setdefault(site.symbol.section, []).append((start, start + length))
    return found
