"""Compare one function of a rebuilt object with shipped code at an address, and read what its fields tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from kpatch.arch.machine import Machine
from kpatch.build.decode import Difference, Pairing, is_padding, leaving_branches, pair_up, show
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.kernel.symbols import SymbolTable

__all__ = ["Comparer", "Found", "FunctionCode", "Shipped", "functions_of"]

_MASK = (1 << 64) - 1
_HERE = re.compile(rb"(?<![^\s\"'(])\./")
"""Before the path of a header in a message: the top directory, which only builds inside of the tree name so."""
_READ_AHEAD = 256
"""Bytes beyond the rebuilt function's size that are looked at: longer branches, more padding."""


class Shipped(Protocol):
    """What the vendor shipped, by address: a kernel image, or a module laid out as if loaded."""

    where: str

    def read_up_to(self, address: int, size: int) -> bytes:
        """At most ``size`` bytes at ``address``; fewer where what was shipped ends."""


@dataclass
class FunctionCode:
    """One function of the rebuilt object."""

    symbol: Symbol
    section: Section
    data: bytes
    relocs: list[Reloc]
    may_be_nop: frozenset[int]

    @property
    def name(self) -> str:
        return self.symbol.name

    @property
    def start(self) -> int:
        return self.symbol.value


@dataclass
class Found:
    """A candidate that holds the same code, and the addresses that its fields tell.

    ``inner``: branches into the middle of other functions, which tell no address: (relocation,
    function, offset in the rebuilt one, place in the shipped code).  ``pairing``: None when exact.
    """

    address: int
    size: int
    exact: bool
    references: list[tuple[Reloc, int]]
    inner: list[tuple[Reloc, Symbol, int, int]] = field(default_factory=list)
    pairing: Pairing | None = None

    def is_place(self, offset: int, address: int) -> bool:
        """Whether what is rebuilt at ``offset`` is what was shipped at ``address``."""
        inside = address - self.address
        return inside == offset if self.pairing is None else self.pairing.same_place(offset, inside)


class Comparer:
    """Compares functions with what lies in ``image``."""

    def __init__(self, image: Shipped, machine: Machine, symbols: SymbolTable, codes: list[FunctionCode]) -> None:
        """``codes``: the functions of the object; those of one section may branch to each other without relocation."""
        self.image, self.machine, self.symbols = image, machine, symbols
        self._in_section: dict[Section, list[Symbol]] = {}
        for code in codes:
            self._in_section.setdefault(code.section, []).append(code.symbol)

    def compare(self, code: FunctionCode, address: int) -> Found | str:
        """Compare ``code`` with what lies at ``address``: what was found there, or why it is another function."""
        size = len(code.data)
        shipped = self.image.read_up_to(address, size)
        fields = {reloc.offset - code.start: self.machine.width.get(reloc.type, 0) for reloc in code.relocs}
        ours, theirs = bytearray(code.data), bytearray(shipped)
        for at, width in fields.items():
            ours[at : at + width] = theirs[at : at + width] = bytes(width)
        if ours == theirs and self._ends(address + size):
            references = [(reloc, self._target(reloc, shipped, address, code.start)) for reloc in code.relocs]
            if len(self._in_section[code.section]) > 1:
                leaving = leaving_branches(self.machine, code.data, fields)
                references += self._leaving_references(code, address, leaving) or []
            return self._checked(code, Found(address, size, True, references), None)
        return self._compare_by_instruction(code, address, fields)

    def _compare_by_instruction(self, code: FunctionCode, address: int, fields: dict[int, int]) -> Found | str:
        # Assembler code may have symbols inside, so the rebuilt size counts, not the next symbol.
        end = address + len(code.data)
        gap = self.symbols.gap(end)
        room = _READ_AHEAD if gap is None else min(_READ_AHEAD, gap)
        shipped = self.image.read_up_to(address, len(code.data) + room)
        pairing = pair_up(self.machine, code.data, shipped, fields, code.may_be_nop)
        if isinstance(pairing, Difference):
            return (
                f"first difference at +{pairing.built_at:#x}: `{pairing.built}` was rebuilt, "
                f"`{pairing.shipped}` is in {self.image.where} at {address + pairing.shipped_at:#x}"
            )
        if not self._ends(address + pairing.size):
            behind = show(self.machine, shipped, pairing.size)
            return f"the shipped function goes on at +{pairing.size:#x} with `{behind}` where the rebuilt one ends"
        leaving = self._leaving_references(code, address, pairing.leaving)
        if leaving is None:
            return "a branch without relocation leads to no function of its section"
        references = [*self._paired_references(code, pairing, shipped, address), *leaving]
        return self._checked(code, Found(address, pairing.size, False, references), pairing)

    def _paired_references(
        self, code: FunctionCode, pairing: Pairing, shipped: bytes, address: int
    ) -> Iterator[tuple[Reloc, int]]:
        for reloc in code.relocs:
            pair = pairing.instruction(reloc.offset - code.start)
            if pair is None:
                continue
            ours, theirs = pair
            if theirs.target is not None:
                # The processor counts from the end of a branch, which is the end of its field.
                width = self.machine.width.get(reloc.type, 0)
                yield reloc, address + theirs.target - reloc.addend - width & _MASK
            else:
                at = reloc.offset - code.start - ours.at + theirs.at
                moved = Reloc(at + code.start, reloc.type, reloc.symbol, reloc.addend)
                yield reloc, self._target(moved, shipped, address, code.start)

    def _leaving_references(
        self, code: FunctionCode, address: int, leaving: list[tuple[int, int, int]]
    ) -> list[tuple[Reloc, int]] | None:
        """References that the assembler resolved itself, as if they had relocations; None when one leads nowhere."""
        references = []
        for at, target, shipped_target in leaving:
            place = code.start + target
            for symbol in self._in_section[code.section]:
                if symbol.value <= place < symbol.value + symbol.size:
                    inside = place - symbol.value
                    reloc = Reloc(code.start + at, self.machine.r_branch, symbol, inside)
                    references.append((reloc, address + shipped_target - inside & _MASK))
                    break
            else:
                return None
        return references

    def _ends(self, address: int) -> bool:
        """Whether a function may end at ``address``: the next symbol or padding follows."""
        gap = self.symbols.gap(address)
        if gap == 0:
            return True
        behind = self.image.read_up_to(address, 16 if gap is None else min(gap, 16))
        return is_padding(self.machine, behind)

    def _target(self, reloc: Reloc, shipped: bytes, address: int, start: int) -> int:
        """The address of ``reloc``'s symbol, from the field in the ``shipped`` bytes at ``address``."""
        at, width = reloc.offset - start, self.machine.width.get(reloc.type, 0)
        value = int.from_bytes(shipped[at : at + width], "little", signed=True) - reloc.addend
        if reloc.type in self.machine.pc_relative:
            value += address + at
        return value & _MASK

    def _checked(self, code: FunctionCode, found: Found, pairing: Pairing | None) -> Found | str:
        """``found`` without references into the function itself and to merged data, which are checked here."""
        references = []
        for reloc, address in found.references:
            symbol, section = reloc.symbol, reloc.symbol.section
            at = reloc.offset - code.start
            if self.machine.width.get(reloc.type) is None:
                return f"the reference at +{at:#x} has the unknown relocation type {reloc.type}"
            inner = self._inner(code, reloc, address)
            if inner is not None:
                found.inner.append(inner)
                continue
            if symbol.type == c.STT_FUNC and section is code.section and symbol is not code.symbol:
                references.append((reloc, address))
                continue
            try:
                bias = self._bias(code, reloc)
            except ValueError as error:
                return str(error)
            inside = symbol.value + reloc.addend + bias - code.start
            if section is code.section and pairing is not None and 0 <= inside < len(code.data):
                if not pairing.same_place(inside, address + reloc.addend + bias - found.address):
                    return f"the reference at +{at:#x} to +{inside:#x} leads elsewhere in {self.image.where}"
            elif section is not None and section.is_string:
                # What is added to a named string may lead beyond it: gcc compares with an end pointer.
                shift = reloc.addend + bias if symbol.type == c.STT_SECTION else 0
                failure = self._string_differs(section, symbol.value + shift, address + shift)
                if failure:
                    return f"the reference at +{at:#x} {failure}"
            else:
                references.append((reloc, address))
        found.references = references
        found.pairing = pairing
        return found

    def _inner(self, code: FunctionCode, reloc: Reloc, address: int) -> tuple[Reloc, Symbol, int, int] | None:
        """The reference when it leads into the middle of another function."""
        section = reloc.symbol.section
        if section is None or not section.is_text:
            return None
        try:
            shift = reloc.addend + self._bias(code, reloc)
        except ValueError:
            return None
        place = reloc.symbol.value + shift
        for function in self._in_section.get(section, ()):
            if function is not code.symbol and function.value < place < function.value + function.size:
                return reloc, function, place - function.value, address + shift & _MASK
        return None

    def _bias(self, code: FunctionCode, reloc: Reloc) -> int:
        if reloc.type not in self.machine.pc_relative:
            return 0
        return self.machine.pc_bias(code.data, 0, reloc.offset - code.start)

    def _string_differs(self, section: Section, offset: int, address: int) -> str:
        """Why the string at ``offset`` of ``section`` is not the one shipped at ``address``, or ""."""
        end = section.data.find(b"\0", offset)
        if section.entsize > 1 or not 0 <= offset <= end:
            return ""
        ours = section.data[offset:end]
        theirs = self.image.read_up_to(address, len(ours) + 1)
        if theirs == ours + b"\0":
            return ""
        ours, theirs = (text.split(b"\0")[0] for text in (ours, theirs))
        if _HERE.sub(b"", ours) == _HERE.sub(b"", theirs):
            return ""
        return f"finds the string {ours.decode('utf-8', 'replace')!r} changed: {theirs.decode('utf-8', 'replace')!r}"


def functions_of(original: ElfObject, machine: Machine) -> Iterator[FunctionCode]:
    """The functions that ``original`` defines."""
    labels = _jump_labels(original, machine)
    for symbol in original.symbols:
        section = symbol.section
        if symbol.type != c.STT_FUNC or section is None or not section.is_text or not symbol.size:
            continue
        start, end = symbol.value, symbol.value + symbol.size
        # Sections of one function each, as -ffunction-sections makes them, need no search.
        relocs = sorted((reloc for reloc in section.relocs if start <= reloc.offset < end), key=lambda r: r.offset)
        sites = {at - start for at in labels.get(section, ()) if start <= at < end}
        profiling = {reloc.offset - 1 - start for reloc in relocs if reloc.symbol.name in machine.profiling_calls}
        yield FunctionCode(symbol, section, bytes(section.data[start:end]), relocs, frozenset(sites | profiling))


def _jump_labels(original: ElfObject, machine: Machine) -> dict[Section, set[int]]:
    """Offsets of jump-label sites in each section: the first field of every entry of __jump_table."""
    found: dict[Section, set[int]] = {}
    for table in (section for section in original.sections if section.name == "__jump_table"):
        entry = machine.specials["__jump_table"].sizes[0]
        for reloc in table.relocs:
            if reloc.offset % entry == 0 and reloc.symbol.section is not None:
                found.setdefault(reloc.symbol.section, set()).add(reloc.symbol.value + reloc.addend)
    return found
