"""A shipped kernel module (.ko), laid out and relocated as if it were loaded: code by address.

The addresses are made up and hold only inside one :class:`ModuleImage`.  Symbols that the module
takes from elsewhere get an address each as well, so that every relocated field tells its symbol.
"""

from __future__ import annotations

import gzip
import lzma
import tempfile
import zlib
from bisect import bisect_right
from pathlib import Path

from kpatch.arch.machine import Machine
from kpatch.arch.registry import machine_of
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol
from kpatch.errors import BadInput, RunError
from kpatch.kernel.symbols import SymbolTable
from kpatch.run import run

__all__ = ["ModuleImage", "read_module"]

_BASE = 0xFFFFFFFFC0000000
_OUTSIDE = 0xFFFFFFFFE0000000
_LARGEST = 1 << 28
_REMEDY = "install the kernel's modules again, or name the module file of exactly this kernel"


def read_module(path: str | Path) -> bytes:
    """The ELF bytes of the module file ``path``: plain, .xz, .gz or .zst (by the ``zstd`` program).

    Raises :class:`BadInput` when it is missing or damaged.
    """
    try:
        data = Path(path).read_bytes()
        if data.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor().decompress(data, _LARGEST)
        if data.startswith(b"\x1f\x8b"):
            return gzip.decompress(data)
        if data.startswith(b"\x28\xb5\x2f\xfd"):
            with tempfile.TemporaryDirectory(prefix="kpatch-module-") as scratch:
                plain = Path(scratch, "module.ko")
                run(["zstd", "-q", "-d", "-f", "-o", plain, path])
                return plain.read_bytes()
    except (OSError, EOFError, lzma.LZMAError, zlib.error, RunError) as error:
        raise BadInput(f"cannot read the module {path}: {error}", _REMEDY) from error
    return data


class ModuleImage:
    """One module by address; ``symbols`` are its own and those that it takes from elsewhere."""

    def __init__(self, obj: ElfObject, where: str) -> None:
        """``obj`` is the shipped module; raises :class:`BadInput` for an unknown machine."""
        machine = machine_of(obj.machine)
        if machine is None:
            raise BadInput(f"{where}: no module for machine {obj.machine}", _REMEDY)
        self.where = where
        self._bases: dict[Section, int] = {}
        self._lay_out(obj)
        self._outside = {
            symbol: _OUTSIDE + 64 * number for number, symbol in enumerate(s for s in obj.symbols if s.is_undefined)
        }
        self._contents = {section: self._relocated(section, machine) for section in self._bases}
        self._starts = list(self._bases.values())
        self._order = list(self._bases)
        self.symbols = self._table(obj)

    @classmethod
    def read(cls, path: str | Path) -> ModuleImage:
        """The module in the file ``path``, compressed or not.  Raises :class:`BadInput`."""
        return cls(ElfObject.parse(read_module(path), str(path)), str(path))

    def _lay_out(self, obj: ElfObject) -> None:
        """Give each section that is loaded an address: code first, as the module loader does."""
        loaded = [section for section in obj.sections if section.flags & c.SHF_ALLOC]
        address = _BASE
        for section in sorted(loaded, key=lambda s: (s.name.startswith(".init"), not s.is_text)):
            align = max(section.addralign, 64)
            address = (address + align - 1) & -align
            self._bases[section] = address
            # A gap after each section: a function at its end then ends there.
            address += section.size + 64

    def _relocated(self, section: Section, machine: Machine) -> bytes:
        if section.type == c.SHT_NOBITS:
            return bytes(min(section.size, _LARGEST))
        data = bytearray(section.data)
        for reloc in section.relocs:
            width, target = machine.width.get(reloc.type, 0), self._address_of(reloc.symbol)
            if target is None or not width:
                continue
            value = target + reloc.addend
            if reloc.type in machine.pc_relative:
                value -= self._bases[section] + reloc.offset
            data[reloc.offset : reloc.offset + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        return bytes(data)

    def _address_of(self, symbol: Symbol) -> int | None:
        if symbol.section is None:
            return self._outside.get(symbol)
        base = self._bases.get(symbol.section)
        return None if base is None else base + symbol.value

    def _table(self, obj: ElfObject) -> SymbolTable:
        names, addresses, types = [], [], []
        for symbol in obj.symbols:
            address = self._address_of(symbol)
            if address is None or not symbol.name or symbol.type in (c.STT_SECTION, c.STT_FILE):
                continue
            letter = "t" if symbol.section is not None and symbol.section.is_text else "d"
            names.append(symbol.name)
            addresses.append(address)
            types.append(letter if symbol.bind == c.STB_LOCAL else letter.upper())
        return SymbolTable(names, addresses, "".join(types))

    def read_up_to(self, address: int, size: int) -> bytes:
        """At most ``size`` bytes at ``address``; fewer where the section ends, none outside of the module."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return b""
        section = self._order[index]
        start = address - self._starts[index]
        return self._contents[section][start : start + size]

    def locate(self, address: int) -> tuple[str, int] | None:
        """Section name and offset of ``address``, or None when it is not in the module."""
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address - self._starts[index] > self._order[index].size:
            return None
        return self._order[index].name, address - self._starts[index]
