"""Instruction boundaries and operands, by capstone; imported only where bytes do not decide."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import capstone

__all__ = ["boundaries", "disassemble"]


@lru_cache(maxsize=2)
def _engine(arch: str, mode: str) -> capstone.Cs:
    engine = capstone.Cs(getattr(capstone, arch), getattr(capstone, mode))
    # Capstone 5 does not know SERIALIZE, which is in sync_core(): what follows it counts all the same.
    engine.skipdata = True
    return engine


def disassemble(
    engine: tuple[str, str], code: bytes, start: int = 0, stop: int | None = None
) -> Iterator[tuple[int, int, str, str]]:
    """Offset, size, mnemonic, operands of the instructions of ``code[start:stop]`` (:meth:`Machine.disassemble`)."""
    yield from _engine(*engine).disasm_lite(bytes(code[start:stop]), start)


@lru_cache(maxsize=256)
def boundaries(engine: tuple[str, str], code: bytes, start: int) -> tuple[tuple[int, int], ...]:
    """Offset and size of each instruction of ``code`` from ``start`` on."""
    return tuple((offset, size) for offset, size, _, _ in disassemble(engine, code, start))
