"""Which symbol of a kernel or module a reference of one object means: its address and livepatch's sympos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Symbol
from kpatch.kernel.listing import Listed, Listing

__all__ = ["Found", "find_all"]

_LINKED = (".text", ".data", ".rodata", ".bss")
"""Sections that end up in the image, whatever the configuration; others may be discarded with their symbols."""

_BY_OTHERS = ("__UNIQUE_ID_", "__pfx_", "__cfi_")
"""Names that depend on more than the source; so do all with a dot (``count.3``, ``foo.isra.0``)."""


class Found(NamedTuple):
    """Where a name leads: link-time address (for an object: offset in its section), livepatch's sympos."""

    address: int
    sympos: int


def find_all(
    names: Iterable[str], original: ElfObject, listings: Sequence[Listing]
) -> tuple[dict[str, Found], list[str]]:
    """What ``listings`` know of ``names``, and the names that they do not know for certain.

    ``original`` is the object that refers to them; what it defines is in the first listing or nowhere.
    """
    found: dict[str, Found] = {}
    unknown = []
    own = _OwnSymbols(original)
    for name in names:
        within = listings[:1] if name in own.defined else listings
        listing = next((listing for listing in within if name in listing.named), Listing())
        namesakes = listing.named.get(name, [])
        meant = _meant(name, namesakes, own, listing)
        if meant is None:
            unknown.append(name)
        else:
            found[name] = Found(meant.address, 0 if len(namesakes) == 1 else namesakes.index(meant) + 1)
    return found, unknown


def _meant(name: str, namesakes: list[Listed], own: _OwnSymbols, listing: Listing) -> Listed | None:
    """The one of ``namesakes`` that the object's ``name`` is, or None.

    The linker allows one global symbol of a name.  A local symbol is in the block of its source
    file, and that is the one block of this file name with all the object's local names.
    """
    if name not in own.locals:
        visible = [symbol for symbol in namesakes if symbol.visible]
        candidates = visible if len(namesakes) > 1 else namesakes
    else:
        candidates = [symbol for symbol in namesakes if not symbol.visible]
        if len(candidates) > 1:
            file, required = own.block_of(name)
            candidates = [
                symbol
                for symbol in candidates
                if symbol.block >= 0
                and listing.files[symbol.block] == file
                and required <= listing.locals[symbol.block]
            ]
    return candidates[0] if len(candidates) == 1 else None


class _OwnSymbols:
    """The local symbols of the object that refers to others, by source file (``ld -r`` joins several)."""

    def __init__(self, obj: ElfObject) -> None:
        self._files = [""]
        self._required: list[set[str]] = [set()]
        self.locals: dict[str, list[int]] = {}
        self.defined = {symbol.name for symbol in obj.symbols if symbol.section is not None}
        for symbol in obj.symbols:
            if symbol.type == c.STT_FILE:
                self._files.append(symbol.name)
                self._required.append(set())
            elif symbol.section is not None and symbol.bind == c.STB_LOCAL and symbol.name:
                self.locals.setdefault(symbol.name, []).append(len(self._files) - 1)
                if _is_kept(symbol):
                    self._required[-1].add(symbol.name)

    def block_of(self, name: str) -> tuple[str, set[str]]:
        """The source file of the local symbol ``name``, and the local names that it surely has."""
        places = self.locals[name]
        return (self._files[places[0]], self._required[places[0]]) if len(places) == 1 else ("", {""})


def _is_kept(symbol: Symbol) -> bool:
    """Whether each link of the object has ``symbol`` under this name."""
    assert symbol.section is not None
    named = symbol.type in (c.STT_FUNC, c.STT_OBJECT) and not symbol.name.startswith(_BY_OTHERS)
    return named and "." not in symbol.name and symbol.section.name.startswith(_LINKED)
