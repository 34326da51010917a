"""Compare two forms of one function by instruction and meaning, where comparing bytes is not enough.

What may differ and mean the same (design: vendor match): the size of a branch, the length of
padding, and the code that objtool rewrites when it runs at the final link instead of on each
object (jump labels, the profiling call).  Offsets are in bytes from the function's start.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kpatch.arch.machine import Machine

__all__ = ["Difference", "Pairing", "is_padding", "leaving_branches", "pair_up", "show"]


class Difference(NamedTuple):
    """The first instructions that do not mean the same: offsets and text, rebuilt then shipped."""

    built_at: int
    built: str
    shipped_at: int
    shipped: str


class Site(NamedTuple):
    """One instruction, as the machine's :class:`Syntax` reads it."""

    at: int
    size: int
    mnemonic: str
    operands: str
    #: it does nothing: padding, or a jump label that is off
    is_nop: bool
    #: where a direct jump or call goes (may be negative), else None
    target: int | None

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()


def _sites(machine: Machine, code: bytes) -> Iterator[Site]:
    for at, size, mnemonic, operands in machine.disassemble(code):
        target = machine.syntax.destination(mnemonic, operands)
        if target is not None and target >> 63:
            target -= 1 << 64
        yield Site(at, size, mnemonic, operands, machine.syntax.is_nop(mnemonic, operands), target)


class _Code:
    """One side: its instructions without the nops, and where the nops are."""

    def __init__(self, machine: Machine, code: bytes) -> None:
        self.code = code
        everything = list(_sites(machine, code))
        self.sites = [site for site in everything if not site.is_nop]
        self.nops = {site.at: site.size for site in everything if site.is_nop}
        self.starts = [site.at for site in self.sites]
        self.end = everything[-1].at + everything[-1].size if everything else 0

    def next_from(self, at: int) -> int:
        """Index of the first instruction at ``at`` or behind it that does something."""
        return bisect_left(self.starts, at)

    def is_start(self, at: int) -> bool:
        return at in self.nops or at in (self.end, *self.starts[bisect_left(self.starts, at) :][:1])

    def text(self, index: int) -> str:
        if index >= len(self.sites):
            return "the end of the function"
        site = self.sites[index]
        return f"{site}  ({self.code[site.at : site.at + site.size].hex(' ')})"


class Pairing:
    """Which instruction of the shipped code stands for which of the rebuilt code."""

    def __init__(self, built: _Code, shipped: _Code) -> None:
        self._built, self._shipped = built, shipped
        self._pairs: dict[int, int] = {}
        #: branches that leave the function and have no relocation: offset, rebuilt target, shipped target
        self.leaving: list[tuple[int, int, int]] = []
        #: bytes of the shipped function up to the end of its last instruction
        self.size = 0

    def add(self, built: int, shipped: int) -> None:
        """Note that the rebuilt instruction with this index is that shipped one."""
        self._pairs[built] = shipped
        self.size = self._shipped.sites[shipped].at + self._shipped.sites[shipped].size

    def same_place(self, built_at: int, shipped_at: int) -> bool:
        """Whether the two offsets are the same place: the next instruction that does something is."""
        if not (self._built.is_start(built_at) and self._shipped.is_start(shipped_at)):
            return False
        index = self._built.next_from(built_at)
        while index < len(self._built.sites) and index not in self._pairs:
            index += 1
        if index == len(self._built.sites):
            return shipped_at >= self.size
        return self._pairs[index] == self._shipped.next_from(shipped_at)

    def instruction(self, field: int) -> tuple[Site, Site] | None:
        """Rebuilt and shipped form of the instruction that holds the byte ``field``; None when turned into a nop."""
        index = self._built.next_from(field + 1) - 1
        other = self._pairs.get(index)
        return None if other is None else (self._built.sites[index], self._shipped.sites[other])


def show(machine: Machine, code: bytes, at: int) -> str:
    """The instruction of ``code`` that covers the byte ``at``, with its bytes, as text."""
    for site in _sites(machine, code):
        if site.at <= at < site.at + site.size:
            return f"{site}  ({code[site.at : site.at + site.size].hex(' ')})"
    return f"no instruction  ({code[at : at + 8].hex(' ')})"


def leaving_branches(machine: Machine, code: bytes, fields: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """As :attr:`Pairing.leaving`, for code that is the same on both sides."""
    found = []
    for site in _sites(machine, code):
        target = site.target
        if target is not None and not 0 <= target < len(code) and not _field_in(site, fields):
            found.append((site.at, target, target))
    return found


def is_padding(machine: Machine, code: bytes) -> bool:
    """Whether ``code``, behind a function's end, starts with what fills gaps between functions."""
    if not code or code[0] in machine.gap_bytes:
        return True
    first = next(_sites(machine, code), None)
    return first is not None and first.is_nop


def pair_up(
    machine: Machine, built: bytes, shipped: bytes, fields: Mapping[int, int], may_be_nop: frozenset[int]
) -> Pairing | Difference:
    """Walk both codes side by side; ``shipped`` may reach beyond the function's end.

    ``fields``: offset -> width of each relocated field of ``built``; ``may_be_nop``: offsets of
    the instructions that the final link may have turned into a nop.
    """
    ours, theirs = _Code(machine, built), _Code(machine, shipped)
    pairing = Pairing(ours, theirs)
    branches: list[tuple[int, int]] = []
    nop_sizes = set(map(len, machine.jump_nops.values()))
    j = 0
    for i, site in enumerate(ours.sites):
        end = theirs.sites[j - 1].at + theirs.sites[j - 1].size if j else 0
        if site.at in may_be_nop and theirs.nops.get(end) in nop_sizes:
            continue
        if j >= len(theirs.sites) or not _same(site, theirs.sites[j], built, shipped, fields):
            return _difference(ours, i, theirs, j)
        pairing.add(i, j)
        if site.target is not None and not _field_in(site, fields):
            branches.append((i, j))
        j += 1
    for i, j in branches:
        target, other = ours.sites[i].target, theirs.sites[j].target
        assert target is not None and other is not None
        if not 0 <= target < len(built):
            pairing.leaving.append((ours.sites[i].at, target, other))
        elif not pairing.same_place(target, other):
            return _difference(ours, i, theirs, j)
    return pairing


def _difference(ours: _Code, i: int, theirs: _Code, j: int) -> Difference:
    starts = [code.starts[at] if at < len(code.starts) else code.end for code, at in ((ours, i), (theirs, j))]
    return Difference(starts[0], ours.text(i), starts[1], theirs.text(j))


def _field_in(site: Site, fields: Mapping[int, int]) -> bool:
    return any(at in fields for at in range(site.at, site.at + site.size))


def _same(site: Site, other: Site, built: bytes, shipped: bytes, fields: Mapping[int, int]) -> bool:
    """Whether two instructions mean the same, leaving branch targets and relocated fields aside."""
    if site.mnemonic != other.mnemonic:
        return False
    if site.target is not None:
        return other.target is not None
    if site.size != other.size:
        return False
    own = bytearray(built[site.at : site.at + site.size])
    their = bytearray(shipped[other.at : other.at + other.size])
    for at in range(site.size):
        width = fields.get(site.at + at)
        if width:
            own[at : at + width] = their[at : at + width] = bytes(width)
    return own == their
