"""A shipped kernel module (.ko), laid out and relocated as if it were loaded: code by address.

The addresses are made up and hold only inside one :class:`ModuleImage`.  Symbols that the module
takes from elsewhere get an address each as well, so that every relocated field tells its symbol.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

from kpatch.arch.machine import Machine
from kpatch.arch.registry import machine_of
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol
from kpatch.errors import BadInput
from kpatch.kernel import notes
from kpatch.kernel.packed import unpack
from kpatch.kernel.symbols import SymbolTable

__all__ = ["ModuleImage", "read_module"]

_BASE = 0xFFFFFFFFC0000000
_OUTSIDE = 0xFFFFFFFFE0000000
_LARGEST = 1 << 28
_REMEDY = "install the kernel's modules again, or name the module file of exactly this kernel"


def read_module(path: str | Path) -> bytes:
    """The ELF bytes of the module file ``path``, which may be compressed.

    Raises :class:`BadInput` when it is missing or damaged.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the module {path}: {error.strerror}", _REMEDY) from error
    return unpack(data, _LARGEST, f"the module {path}", _REMEDY)


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
        self._outside_names = {address: symbol.name for symbol, address in self._outside.items()}
        self._contents = {section: self._relocated(section, machine) for section in self._bases}
        self._starts = list(self._bases.values())
        self._order = list(self._bases)
        self.symbols = self._table(obj)
        self._index_kept(obj)
        section = obj.section(".ibt_endbr_seal")
        places = [(self._address_of(reloc.symbol), reloc.addend) for reloc in section.relocs] if section else []
        self._sealed = {address + addend for address, addend in places if address is not None}
        section = obj.section(".note.gnu.build-id")
        #: what the linker wrote about this build, or None
        self.build_id = notes.build_id(section.data) if section else None
        section = obj.section(".modinfo")
        self.modinfo = _modinfo(section.data if section else b"")

    @classmethod
    def read(cls, path: str | Path) -> ModuleImage:
        """The module in the file ``path``, compressed or not.  Raises :class:`BadInput`."""
        return cls(ElfObject.parse(read_module(path), str(path)), str(path))

    @property
    def depends(self) -> list[str]:
        """Names of the modules whose exports this one uses."""
        return [name.replace("-", "_") for name in self.modinfo.get("depends", "").split(",") if name]

    def _index_kept(self, obj: ElfObject) -> None:
        self._kept_named: dict[str, list[Symbol]] = {}
        self._kept_at: dict[Section, list[Symbol]] = {}
        #: names of symbols that are gone when the module has started
        self.passing = {
            symbol.name for symbol in obj.symbols if symbol.section is not None and not _is_kept(symbol.section)
        }
        for symbol in obj.symbols:
            if symbol.section is not None and symbol.name and _is_kept(symbol.section):
                self._kept_named.setdefault(symbol.name, []).append(symbol)
                self._kept_at.setdefault(symbol.section, []).append(symbol)
        for symbols in self._kept_at.values():
            symbols.sort(key=lambda symbol: symbol.value)

    def kept(self, name: str) -> list[Symbol]:
        """The symbols called ``name`` that the kernel has while the module is loaded, in the symbol table's order."""
        return self._kept_named.get(name, [])

    def position(self, symbol: Symbol) -> int:
        """livepatch's sympos of a kept symbol: 0 when the name is unique, else the rank in the table from 1."""
        namesakes = self.kept(symbol.name)
        return namesakes.index(symbol) + 1 if len(namesakes) > 1 else 0

    def kept_at(self, name: str, address: int) -> tuple[Symbol, int] | None:
        """A kept symbol and the bytes from it to ``address``; one called ``name`` if it lies there, else the nearest.

        None when ``address`` is in no section that the kernel keeps, or before its first symbol.
        """
        for symbol in self.kept(name):
            if self._address_of(symbol) == address:
                return symbol, 0
        section = self._section_at(address)
        inside = address - self._bases[section] if section else 0
        below = [symbol for symbol in self._kept_at.get(section, ()) if symbol.value <= inside] if section else []
        return (below[-1], inside - below[-1].value) if below else None

    def outside(self, address: int) -> str | None:
        """The name of the symbol of the kernel or another module that ``address`` stands for, or None."""
        return self._outside_names.get(address)

    def is_sealed(self, name: str) -> bool:
        """Whether a pointer to the function ``name`` would fault: the kernel removes its landing pad (IBT)."""
        return any(self._address_of(symbol) in self._sealed for symbol in self.kept(name))

    def exports(self, name: str) -> bool:
        """Whether the module exports ``name`` itself."""
        return bool(self.kept(f"__ksymtab_{name}"))

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
        section = self._section_at(address)
        return (section.name, address - self._bases[section]) if section else None

    def _section_at(self, address: int) -> Section | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0 or address - self._starts[index] > self._order[index].size:
            return None
        return self._order[index]


def _is_kept(section: Section) -> bool:
    """Whether symbols of ``section`` stay: is_core_symbol() of the kernel, with CONFIG_KALLSYMS_ALL.

    The loader frees sections whose name begins with .init, and takes .modinfo and __versions for itself.
    """
    if not section.flags & c.SHF_ALLOC:
        return False
    return not section.name.startswith(".init") and section.name not in (".modinfo", "__versions")


def _modinfo(data: bytes) -> dict[str, str]:
    """The first value of each key of the section .modinfo."""
    found: dict[str, str] = {}
    for entry in data.decode("utf-8", "replace").split("\0"):
        key, equals, value = entry.partition("=")
        if equals:
            found.setdefault(key, value)
    return found
