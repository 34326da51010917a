"""The symbols of a kernel by name and by address, wherever they were read from.

Sources: the image's own kallsyms tables, the symbol table of a vmlinux, a System.map, or text in
the form of /proc/kallsyms.  Addresses are link-time addresses in bytes.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from kpatch.errors import BadInput
from kpatch.kernel import kallsyms
from kpatch.kernel.image import KernelImage, RawSymbols
from kpatch.kernel.store import write_file
from kpatch.log import logger

__all__ = ["Symbol", "SymbolTable", "load_symbols", "read_map"]

_CACHE_HEAD = struct.Struct("<8sIII")
_CACHE_MAGIC = b"KPSYM\0\0\1"
_REMEDY = "Debian's System.map is a stub: use the image's own tables (no option), or a vmlinux with symbols"


class Symbol(NamedTuple):
    """One symbol: its type letter is that of nm(1) and /proc/kallsyms."""

    name: str
    address: int
    type: str


class SymbolTable:
    """Symbols in address order; namesakes and aliases keep the order of their source."""

    def __init__(self, names: list[str], addresses: list[int], types: str) -> None:
        """Three parallel sequences in any order."""
        if any(map(int.__gt__, addresses, addresses[1:])):
            order = sorted(range(len(addresses)), key=addresses.__getitem__)
            names = [names[at] for at in order]
            types = "".join([types[at] for at in order])
            addresses = [addresses[at] for at in order]
        self.names, self.addresses, self.types = names, addresses, types

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _first(self) -> dict[str, int]:
        """Index of the first symbol of each name."""
        return dict(zip(reversed(self.names), range(len(self.names) - 1, -1, -1)))

    @cached_property
    def _more(self) -> dict[str, list[int]]:
        """All indexes of those names that occur more than once."""
        if len(self._first) == len(self.names):
            return {}
        more: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            if self._first[name] != index:
                more.setdefault(name, [self._first[name]]).append(index)
        return more

    def _at(self, index: int) -> Symbol:
        return Symbol(self.names[index], self.addresses[index], self.types[index])

    def named(self, name: str) -> list[Symbol]:
        """All symbols called ``name``, by address."""
        if name not in self._first:
            return []
        return [self._at(index) for index in self._more.get(name, [self._first[name]])]

    def unique(self, name: str) -> Symbol | None:
        """The symbol called ``name`` when there is exactly one, else None."""
        found = self.named(name)
        return found[0] if len(found) == 1 else None

    def at(self, address: int) -> list[Symbol]:
        """All symbols whose address is exactly ``address``."""
        start, end = bisect_left(self.addresses, address), bisect_right(self.addresses, address)
        return [self._at(index) for index in range(start, end)]

    def covering(self, address: int) -> tuple[Symbol, int] | None:
        """The nearest symbol at or below ``address`` and the bytes between, as kallsyms would say."""
        index = bisect_right(self.addresses, address) - 1
        if index < 0:
            return None
        first = bisect_left(self.addresses, self.addresses[index])
        return self._at(first), address - self.addresses[first]

    def size(self, symbol: Symbol) -> int:
        """Bytes up to the next higher symbol, as kallsyms reckons sizes; 0 for the last one."""
        index = bisect_right(self.addresses, symbol.address)
        return self.addresses[index] - symbol.address if index < len(self.addresses) else 0

    def between(self, start: int, end: int) -> list[str]:
        """Names of the symbols at ``start`` and above, below ``end``."""
        return self.names[bisect_left(self.addresses, start) : bisect_left(self.addresses, end)]

    def gap(self, address: int) -> int | None:
        """Bytes from ``address`` to the first symbol at or above it; None when none follows."""
        index = bisect_left(self.addresses, address)
        return self.addresses[index] - address if index < len(self.addresses) else None

    def position(self, symbol: Symbol) -> int:
        """livepatch's sympos: 0 when the name is unique, else the rank by address from 1."""
        namesakes = self.named(symbol.name)
        return 0 if len(namesakes) == 1 else namesakes.index(symbol) + 1

    @cached_property
    def percpu(self) -> tuple[int, int]:
        """Start and end of the per-CPU area's addresses; (0, 0) when the table does not tell.

        Until 6.14 the area is linked at 0, from 6.15 on among the other addresses.
        """
        start, end = self.unique("__per_cpu_start"), self.unique("__per_cpu_end")
        return (start.address, end.address) if start and end else (0, 0)

    def is_percpu(self, address: int) -> bool:
        """Whether ``address`` lies in the per-CPU area."""
        start, end = self.percpu
        return start <= address < end


def load_symbols(image: KernelImage, cache: Path | None = None) -> SymbolTable:
    """The symbols of ``image``: its symbol table if it has one, else its kallsyms tables.

    What was decoded is kept in the directory ``cache`` under the image's digest.
    Raises :class:`BadInput` when the image holds neither.
    """
    kept = cache / f"symbols-{image.digest[:16]}" if cache else None
    if kept and kept.exists():
        table = _from_cache(kept)
        if table is not None:
            return table
        logger.debug("%s in the cache is damaged, decoding again", kept)
    raw = image.symbol_table() or kallsyms.decode(image)
    if kept:
        write_file(kept, _to_cache(raw))
    return SymbolTable(*raw)


def read_map(path: str | Path, module: str = "") -> SymbolTable:
    """The symbols in a System.map or in text in the form of /proc/kallsyms: those of the kernel or of ``module``.

    Raises :class:`BadInput` for a stub, for hidden addresses (all zero), and for anything else.
    """
    names, addresses, types = [], [], []
    wanted = [f"[{module}]"] if module else []
    try:
        for line in Path(path).read_text("utf-8").splitlines():
            address, kind, name, *owner = line.split()
            if owner == wanted:
                names.append(name)
                addresses.append(int(address, 16))
                types.append(kind)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no list of kernel symbols: {error}", _REMEDY) from error
    if not any(addresses) and not module:
        raise BadInput(f"{path} holds no symbol with an address", _REMEDY)
    return SymbolTable(names, addresses, "".join([kind[0] for kind in types]))


def _to_cache(raw: RawSymbols) -> list[bytes]:
    names = "\n".join(raw.names).encode("utf-8")
    body = array("Q", raw.addresses).tobytes() + raw.types.encode("ascii") + names
    return [_CACHE_HEAD.pack(_CACHE_MAGIC, len(raw.names), len(names), zlib.crc32(body)), body]


def _from_cache(path: Path) -> SymbolTable | None:
    """The table in the cache file ``path``, or None when it is not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _CACHE_HEAD.size:
        return None
    magic, count, size, checksum = _CACHE_HEAD.unpack_from(data)
    body = memoryview(data)[_CACHE_HEAD.size :]
    if magic != _CACHE_MAGIC or len(body) != 9 * count + size or zlib.crc32(body) != checksum:
        return None
    addresses = array("Q", bytes(body[: 8 * count])).tolist()
    names = str(body[9 * count :], "utf-8").split("\n")
    return SymbolTable(names, addresses, str(body[8 * count : 9 * count], "ascii"))
