"""Instruction boundaries and operands, by capstone; imported only where bytes do not decide."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import capstone

__all__ = ["Instruction", "disassemble", "instructions"]

#: offset, size in bytes, mnemonic, operands in Intel syntax
Instruction = tuple[int, int, str, str]


@lru_cache(maxsize=1)
def _engine() -> capstone.Cs:
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    # Capstone 5 does not know SERIALIZE, which is in sync_core(): what follows it counts all the same.
    engine.skipdata = True
    return engine


def disassemble(code: bytes, start: int = 0, stop: int | None = None) -> Iterator[Instruction]:
    """The instructions of x86_64 ``code[start:stop]``; a byte that is none of them is a ``.byte`` of its own."""
    yield from _engine().disasm_lite(bytes(code[start:stop]), start)


@lru_cache(maxsize=256)
def _boundaries(code: bytes, start: int) -> tuple[tuple[int, int], ...]:
    return tuple((offset, size) for offset, size, _, _ in disassemble(code, start))


def instructions(code: bytes, start: int) -> tuple[tuple[int, int], ...]:
    """Offset and size of each instruction of ``code`` from ``start`` on."""
    return _boundaries(code, start)
