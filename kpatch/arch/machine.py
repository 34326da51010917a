"""What the differ must know of a machine, as data; one module a machine fills it in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Instruction", "Machine", "Special", "Syntax"]

#: offset, size in bytes, mnemonic, operands
Instruction = tuple[int, int, str, str]


@dataclass(frozen=True)
class Special:
    """A section whose entries each belong to one place in the code.

    ``sizes``: the entry sizes that kernels have used, in bytes, likeliest first; the objects
    themselves decide between them.  ``site``: slot of the reference to the code (offset in the
    entry).  ``ignore``: for an entry size, the byte range (start, stop) whose value does not
    matter for "changed": line numbers.  ``derived``: follows from the code, so it is never a change of its own.
    ``blobs``: slots whose target is a fragment of another code section, with the offset of the
    byte that holds the fragment's length for each entry size, or None when nothing tells it.
    ``key``: for an entry size, the slot that names a static key or static call.  ``short_tail``: the last
    entry may lack its padding.  ``from_start``: slot of a reference to a text that older kernels count from the
    entry's start instead of the slot, 0 for none.  ``drop``: entries are never copied.  ``constant``: ``name``
    is only the beginning of the section's name, the rest is a variable whose value the kernel writes into the
    code when it starts.
    """

    name: str
    sizes: tuple[int, ...]
    site: int = 0
    ignore: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    derived: bool = False
    blobs: Mapping[int, Mapping[int, int] | None] = field(default_factory=dict)
    key: Mapping[int, int] = field(default_factory=dict)
    short_tail: bool = False
    from_start: int = 0
    drop: bool = False
    constant: bool = False
    align: int = 1
    reason: str = ""


@dataclass(frozen=True)
class Syntax:
    """How capstone reads and writes the machine's instructions."""

    #: names of capstone's constants: architecture, mode
    engine: tuple[str, str]
    #: mnemonics of direct calls and jumps
    branch: re.Pattern[str]
    #: of whatever leaves the straight line: these and returns
    leaves: re.Pattern[str]
    #: of jumps that are always taken
    jumps: frozenset[str]
    #: of what fills gaps: it does nothing, or is never reached
    fillers: frozenset[str]
    #: mnemonic and operands of what does nothing, in all its spellings
    nops: re.Pattern[str]
    #: of what loads a constant or an address into a register
    loads: frozenset[str]
    #: of what puts an argument on the stack
    pushes: frozenset[str]
    #: mnemonic and operands of what takes from the stack
    pops: re.Pattern[str]
    #: operands of a load or push of a constant: register or nothing, number
    immediate: re.Pattern[str]
    #: the operands of a direct call or jump; group 1 is the address that it goes to
    address: re.Pattern[str]
    #: bytes from the start of a direct call, or of a jump that is always taken, to its relocated field
    branch_field: int
    #: any register, in operands
    register: re.Pattern[str]
    #: the registers of a function's integer arguments, each with its names (the machine's psABI)
    arguments: tuple[frozenset[str], ...]

    def is_nop(self, mnemonic: str, operands: str) -> bool:
        """Whether the instruction does nothing."""
        return self.nops.fullmatch(f"{mnemonic} {operands}".rstrip()) is not None

    def destination(self, mnemonic: str, operands: str) -> int | None:
        """Where a direct call or jump goes, modulo 2**64; None when the instruction is anything else."""
        address = self.address.fullmatch(operands) if self.branch.fullmatch(mnemonic) else None
        return int(address[1], 0) if address else None


@dataclass(frozen=True)
class Machine:
    """One machine: its ELF number, its relocations, and the sections its kernel gives meaning to."""

    name: str
    e_machine: int
    syntax: Syntax
    #: the relocation types that the processor supplement knows; others are damage
    known_types: range
    #: relocation type -> width in bytes; types that are absent are refused
    width: Mapping[int, int]
    #: relocation types whose value is relative to the place
    pc_relative: frozenset[int]
    #: relocation types that only calls and jumps have
    branch: frozenset[int]
    #: relocations that mean the same when the target and addend are the same
    same_meaning: Mapping[int, int]
    #: relocation types for a pointer in a table and for a 32 bit relative place, for new entries
    r_abs64: int
    r_pc32: int
    r_branch: int
    specials: Mapping[str, Special]
    #: those of which ``name`` is only the beginning
    families: tuple[Special, ...]
    #: code fragments without symbols that special sections point to
    fragment_sections: frozenset[str]
    #: the sections that list the places where ftrace hooks a function
    profiling_tables: frozenset[str]
    #: the profiling call at the start of a function
    profiling_calls: frozenset[str]
    #: bytes that may stand before the profiling call: nothing, or a landing pad
    landing_pads: tuple[bytes, ...]
    #: what fills the gap between two functions, at its end
    padding: re.Pattern[bytes]
    #: first bytes of what may stand behind a function in a linked image, besides nops
    gap_bytes: frozenset[int]
    #: first byte of a jump -> the nop of its length, which stands at a jump label that is off
    jump_nops: Mapping[int, bytes]
    #: (code, start of the function, field) -> bytes from the field to the point the processor
    #: counts from; raises ValueError for code that it cannot decode
    pc_bias: Callable[[bytes, int, int], int]
    #: (code, field) -> whether the field is the target of a call or a jump
    is_branch: Callable[[bytes, int], bool]
    #: (code, field) -> whether the field is the base of a table that a register indexes
    is_indexed: Callable[[bytes, int], bool]
    #: (code, start of the function, field) -> what the field is: ``direct``, the place that an instruction reads or
    #: writes; ``indexed``, that besides what registers hold; ``address``, a value
    addressing: Callable[[bytes, int, int], str]

    #: (code, offset of a constant that is loaded into a register) -> offset of the instruction, another one of
    #: the same length that loads a variable instead, offset of its place-relative field; None: it does not load
    load_instead: Callable[[bytes, int], tuple[int, bytes, int] | None]

    def disassemble(self, code: bytes, start: int = 0, stop: int | None = None) -> Iterator[Instruction]:
        """The instructions of ``code[start:stop]``; a byte that is none of them is a ``.byte`` of its own."""
        from kpatch.arch.decode import disassemble  # capstone is loaded only where bytes do not decide

        return disassemble(self.syntax.engine, code, start, stop)

    def special(self, section: str) -> Special | None:
        """What is known of the section of this name, when the kernel reads it entry by entry."""
        known = self.specials.get(section)
        return known or next((family for family in self.families if section.startswith(family.name)), None)

    def gives_meaning_to(self, section: str) -> bool:
        """Whether the kernel reads ``section`` entry by entry, or its pieces belong to such entries."""
        return section in self.fragment_sections or self.special(section) is not None
