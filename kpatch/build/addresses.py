"""What is learnt about the addresses of an object's symbols; all that was learnt must agree."""

from __future__ import annotations

from kpatch.build.compare import FunctionCode
from kpatch.elf import const as c
from kpatch.elf.object import Section, Symbol
from kpatch.kernel.symbols import SymbolTable

__all__ = ["Addresses"]

_MASK = (1 << 64) - 1


class Addresses:
    """Address of each symbol, learnt from fields; all that was learnt must agree."""

    def __init__(self, symbols: SymbolTable, codes: list[FunctionCode]) -> None:
        self.symbols = symbols
        self.known: dict[object, tuple[int, str]] = {}
        self.functions: dict[Section, list[Symbol]] = {}
        for code in codes:
            self.functions.setdefault(code.section, []).append(code.symbol)

    def key(self, symbol: Symbol) -> tuple[object, int] | None:
        """What has one address in the shipped code, and the symbol's offset in it; None when not constant."""
        section = symbol.section
        if section is None:
            return (symbol.name, 0) if symbol.name else None
        if section.flags & c.SHF_MERGE or symbol.bind == c.STB_WEAK:
            return None
        if section.is_text:
            # The assembler may have packed several functions into one section, the linker may not move them
            # apart, but a branch of other size shifts what follows: each function is a place of its own.
            for function in self.functions.get(section, ()):
                if function.value <= symbol.value < function.value + max(function.size, 1):
                    return (section, function.value), symbol.value - function.value
        return section, symbol.value

    def conflict(self, symbol: Symbol, address: int) -> str:
        """Why ``symbol`` cannot lie at ``address``, or "" when it can."""
        key = self.key(symbol)
        if key is None:
            return ""
        known = self.known.get(key[0])
        if known and known[0] != address - key[1] & _MASK:
            return f"{_name(symbol)} at {address:#x} here, but at {known[0] + key[1]:#x} in {known[1]}"
        if symbol.name and symbol.bind != c.STB_LOCAL:
            namesakes = self.symbols.named(symbol.name)
            if namesakes and all(namesake.address != address for namesake in namesakes):
                return f"{symbol.name} at {address:#x} here, but at {namesakes[0].address:#x} in the kernel's symbols"
        return ""

    def learn(self, symbol: Symbol, address: int, where: str) -> None:
        key = self.key(symbol)
        if key is not None:
            self.known.setdefault(key[0], (address - key[1] & _MASK, where))

    def of(self, symbol: Symbol) -> int | None:
        """The address of ``symbol`` when it was learnt."""
        key = self.key(symbol)
        known = self.known.get(key[0]) if key else None
        return known[0] + key[1] & _MASK if known and key else None


def _name(symbol: Symbol) -> str:
    return symbol.name or (symbol.section.name if symbol.section else "?")
