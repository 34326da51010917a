"""Does every reference of a built module mean what it meant in the patched object?

The module reaches the kernel's unexported symbols from exported ones, by constants.  This check goes the
other way round: it adds each constant up again with the addresses of kallsyms, and compares what lies there, by
name, with the symbol that the compiler wrote into the patched object.  It shares no code with the differ and
with the anchors; namesakes are accepted when any of them lies there.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.kernel.module import read_module
from kpatch.kernel.symbols import SymbolTable

__all__ = ["Report", "check_module"]

#: R_X86_64_PC32, PLT32
_RELATIVE = (2, 4)
_BIASES = (4, 5, 6, 8)
"""What is taken off the addend of such a field in code: its 4 bytes, and those of an immediate operand behind it."""
_IN_TABLES = (0,)
_WIDTH = {1: 8, 24: 8}
"""Bytes of the field (R_X86_64_64, PC64); all others have 4."""

#: bytes of the entries of these tables in Linux 5.10 to 6.12; 0: it depends, the relocations tell
_TABLES = {
    "__jump_table": 16,
    "__bug_table": 12,
    "__ex_table": 12,
    ".altinstructions": 0,
    ".static_call_sites": 8,
    ".smp_locks": 4,
    ".return_sites": 4,
    ".retpoline_sites": 4,
    ".orc_unwind_ip": 4,
    "__mcount_loc": 8,
}
_FUNCS, _FUNC_BYTES = ".kpatch.funcs", 56
_RELOCS, _RELOC_BYTES = ".kpatch.relocs", 48
_GLUE = ("init_module", "cleanup_module")
_NUMBERS = re.compile(r"\.\d+(?=\.|$)|(?<=__UNIQUE_ID_)\w+?(?=\d*$)|\d+$")

Meaning = Union[int, tuple[str, int], bytes]
"""An address of the kernel, (name, offset) in the module itself, or constant bytes."""


@dataclass
class Report:
    """``checked``: references; ``faults``: what is wrong, in words; ``namesakes``: how many had a choice."""

    checked: int = 0
    namesakes: int = 0
    faults: list[str] = field(default_factory=list)


def check_module(
    module: Path, patched: Sequence[Path], symbols: SymbolTable, shipped: Mapping[str, Path] | None = None
) -> Report:
    """Compare the .ko at ``module`` with the patched objects that it was made from.

    ``symbols``: kallsyms of the kernel; ``shipped``: its modules by name. Raises
    :class:`kpatch.errors.BadInput` for a damaged file.
    """
    return _Check(ElfObject.read(module), [ElfObject.read(path) for path in patched], symbols, shipped or {}).run()


def _stem(name: str) -> str:
    """``name`` without the numbers that gcc gives to copies and static locals."""
    return _NUMBERS.sub("", name)


def _named(obj: ElfObject, section: Section) -> list[Symbol]:
    """The symbols with a size or at least a name in ``section``, those of the glue left out."""
    kinds = (c.STT_FUNC, c.STT_OBJECT, c.STT_NOTYPE)
    return [
        symbol
        for symbol in obj.symbols
        if symbol.section is section
        and symbol.type in kinds
        and symbol.name
        and not symbol.name.startswith(("kpatch_new_", ".L"))
    ]


def _agree(got: Meaning, wanted: Meaning) -> bool:
    if isinstance(got, bytes) and isinstance(wanted, bytes):
        return bool(wanted) and got.startswith(wanted)  # the linker joins constants to larger sections
    return got == wanted


class _Object:
    """An object with its symbols by section and its relocations by offset."""

    def __init__(self, obj: ElfObject) -> None:
        self.obj = obj
        self.named = {section: _named(obj, section) for section in obj.sections}
        self.relocs = {section: {reloc.offset: reloc for reloc in section.relocs} for section in obj.sections}

    def functions(self) -> Iterator[Symbol]:
        """All functions."""
        for symbols in self.named.values():
            yield from (symbol for symbol in symbols if symbol.type == c.STT_FUNC)

    def at(self, section: Section, point: int) -> Symbol | None:
        """The symbol at or around ``point``, else one that ends there, else None."""
        ending = None
        for symbol in self.named[section]:
            if symbol.value <= point < symbol.value + symbol.size or point == symbol.value:
                return symbol
            if symbol.value + symbol.size == point:
                ending = symbol
        return ending

    def target(self, reloc: Reloc, biases: Sequence[int]) -> tuple[Symbol | None, int]:
        """The symbol that a reference to this object's own sections means, and the field's value less its address.

        ``biases``: see ``_BIASES``.  Without a symbol the offset in the section.
        """
        section, raw = reloc.symbol.section, reloc.symbol.value + reloc.addend
        assert section is not None
        biases = biases if reloc.type in _RELATIVE else _IN_TABLES
        for bias in biases:
            symbol = self.at(section, raw + bias)
            if symbol is not None:
                return symbol, raw - symbol.value
        return None, raw + biases[0]


def _content(section: Section, point: int) -> bytes:
    if section.is_string or ".str" in section.name:
        return section.data[point : section.data.find(b"\0", point) + 1]
    return section.data[point : point + (section.entsize or 4)]


def _settled(function: Symbol, at: int) -> Reloc:
    """The jump at ``function`` + ``at`` whose distance the assembler knew, as the relocation that it spared."""
    section, offset = function.section, function.value + at
    assert section is not None
    distance = int.from_bytes(section.data[offset : offset + 4], "little", signed=True)
    return Reloc(offset, 2, Symbol("", section), offset + distance)


class _Check:
    """One run of :func:`check_module`."""

    def __init__(
        self, module: ElfObject, patched: Sequence[ElfObject], symbols: SymbolTable, shipped: Mapping[str, Path]
    ) -> None:
        self.module, self.patched, self.symbols = _Object(module), [_Object(obj) for obj in patched], symbols
        self.report = Report()
        self.shipped = _Shipped(shipped)
        #: the names that the core looks up in modules
        self.in_modules = self._add_module_relocs()
        self.stems: dict[str, list[int]] = {}
        for name, address in zip(symbols.names, symbols.addresses):
            if name[-1:].isdigit() or "." in name:
                self.stems.setdefault(_stem(name), []).append(address)

    def run(self) -> Report:
        every = [symbol for symbol in self.module.functions() if symbol.name not in _GLUE]
        ours = [symbol for symbol in every if self._origin(symbol) is not None]
        for function in ours:
            origin = self._origin(function)
            assert origin is not None
            self._compare(function, *origin)
        if not ours:
            self._fault("no function of the module is one of the patched objects")
        self._check_tables()
        self._check_entries()
        return self.report

    def _add_module_relocs(self) -> set[Symbol]:
        """Put what .kpatch.relocs says where the module loader's relocations are; returns the symbols of it."""
        found = set()
        for section, start in self._entries(_RELOCS, _RELOC_BYTES):
            relocs = self._entry(self.module, section, start, _RELOC_BYTES)
            addend, sympos, kind = struct.unpack_from("<qII", section.data, start + 32)
            place, name, module = relocs[0], self._text(relocs[16]), self._text(relocs[24])
            where = place.symbol.section
            assert where is not None
            at = place.symbol.value + place.addend
            if at in self.module.relocs[where]:
                self._fault(f"{_RELOCS}+{start:#x}: the module loader writes to this place, too")
            if not self.shipped.has(module, name, sympos):
                self._fault(f"{_RELOCS}+{start:#x}: {module} has no {name},{sympos}")
            symbol = Symbol(name)
            self.module.relocs[where][at] = Reloc(at, kind, symbol, addend)
            found.add(symbol)
        return found

    def _entries(self, name: str, size: int) -> Iterator[tuple[Section, int]]:
        section = self.module.obj.section(name)
        if section is not None:
            yield from ((section, start) for start in range(0, section.size, size))

    def _text(self, reloc: Reloc) -> str:
        """The string that ``reloc`` leads to."""
        assert reloc.symbol.section is not None
        return _content(reloc.symbol.section, reloc.symbol.value + reloc.addend).rstrip(b"\0").decode()

    def _fault(self, text: str) -> None:
        self.report.faults.append(text)

    def _origin(self, function: Symbol) -> tuple[_Object, Symbol] | None:
        """The function of a patched object that ``function`` of the module was made from."""
        every = [(obj, symbol) for obj in self.patched for symbol in obj.functions() if symbol.size == function.size]
        for same in (lambda name: name, _stem):
            found = [entry for entry in every if same(entry[1].name) == same(function.name)]
            found = [entry for entry in found if self._same_bytes(function, *entry)] or found
            if found:
                return found[0]
        return None

    def _same_bytes(self, function: Symbol, obj: _Object, origin: Symbol) -> bool:
        fields = {**self._relocs(self.module, function), **self._relocs(obj, origin)}
        return self._bytes(function, fields) == self._bytes(origin, fields)

    def _bytes(self, function: Symbol, fields: dict[int, Reloc]) -> bytes:
        """The code with ``fields`` zeroed."""
        assert function.section is not None
        data = bytearray(function.section.data[function.value : function.value + function.size])
        for at, reloc in fields.items():
            data[at : at + _WIDTH.get(reloc.type, 4)] = bytes(_WIDTH.get(reloc.type, 4))
        return bytes(data)

    def _compare(self, function: Symbol, obj: _Object, origin: Symbol) -> None:
        if not self._same_bytes(function, obj, origin):
            self._fault(f"{function.name}: its code is not the patched object's")
        ours, theirs = self._relocs(self.module, function), self._relocs(obj, origin)
        for at in sorted({*ours, *theirs}):
            where = f"{function.name}+{at:#x}"
            if at not in ours:
                self._fault(f"{where}: the reference to {theirs[at].symbol.name} is gone")
            else:
                self._compare_reference(where, ours[at], obj, theirs.get(at) or _settled(origin, at))

    def _relocs(self, obj: _Object, function: Symbol) -> dict[int, Reloc]:
        assert function.section is not None
        return {
            offset - function.value: reloc
            for offset, reloc in obj.relocs[function.section].items()
            if function.value <= offset < function.value + function.size
        }

    def _compare_reference(
        self, where: str, ours: Reloc, obj: _Object, theirs: Reloc, biases: Sequence[int] = _BIASES
    ) -> None:
        self.report.checked += 1
        got, wanted = self._meaning(ours, biases), self._wanted(obj, theirs, biases)
        near = list(self._neighbours(obj, theirs, biases))
        wanted += [(own.name, value) for name, value in near for own in self._inside(name)]
        if ours.symbol in self.in_modules:
            # The numbers of static locals may be others in the original.
            wanted += [
                (ours.symbol.name, meaning[1])
                for meaning in (*wanted, *near)
                if isinstance(meaning, tuple) and _stem(meaning[0]) == _stem(ours.symbol.name)
            ]
        self.report.namesakes += sum(isinstance(meaning, int) for meaning in wanted) > 1
        possible = [got, *self._neighbours(self.module, ours, biases)]
        if not any(_agree(one, meaning) for one in possible for meaning in wanted):
            self._fault(f"{where}: {self._tell(got)} instead of {' or '.join(map(self._tell, wanted[:3])) or '?'}")

    def _tell(self, meaning: Meaning) -> str:
        if isinstance(meaning, int):
            covering = self.symbols.covering(meaning + 4)
            return f"{meaning:#x} (near {covering[0].name}+{covering[1] - 4:#x})" if covering else f"{meaning:#x}"
        return repr(meaning)

    def _meaning(self, reloc: Reloc, biases: Sequence[int]) -> Meaning:
        """What a relocation of the module stands for."""
        symbol = reloc.symbol
        if symbol.section is not None:
            own, value = self.module.target(reloc, biases)
            return (own.name, value) if own else _content(symbol.section, value)
        if symbol in self.in_modules:
            return symbol.name, reloc.addend
        known = self.symbols.named(symbol.name)
        exported = [entry for entry in known if entry.type.isupper()] or known
        return exported[0].address + reloc.addend if exported else (symbol.name, reloc.addend)

    def _wanted(self, obj: _Object, reloc: Reloc, biases: Sequence[int]) -> list[Meaning]:
        """All that a relocation of a patched object may stand for in the module."""
        symbol, value = reloc.symbol, reloc.addend
        if symbol.section is not None:
            own, value = obj.target(reloc, biases)
            if own is None:
                return [_content(symbol.section, value)]
            symbol = own
        addresses = [entry.address for entry in self.symbols.named(symbol.name)]
        if symbol.bind == c.STB_LOCAL and (symbol.name[-1:].isdigit() or "." in symbol.name):
            addresses = addresses + self.stems.get(_stem(symbol.name), [])
        found: list[Meaning] = [address + value for address in dict.fromkeys(addresses)]
        # One place may have several names (MODULE_DEVICE_TABLE).
        aliases = [
            other.name
            for other in (obj.named[symbol.section] if symbol.section else ())
            if other.value == symbol.value
        ]
        inside = [(own.name, value) for own in self._inside(symbol.name)]
        return [*found, *inside, *((name, value) for name in (symbol.name, *aliases))]

    def _neighbours(self, obj: _Object, reloc: Reloc, biases: Sequence[int]) -> Iterator[tuple[str, int]]:
        """What else the reference may mean where variables of one byte lie side by side (``__already_done``)."""
        for bias in biases if reloc.symbol.section is not None else ():
            own, value = obj.target(reloc, (bias,))
            if own is not None:
                yield own.name, value

    def _inside(self, name: str) -> list[Symbol]:
        """The module's own symbols that may be ``name``."""
        own = [symbol for symbols in self.module.named.values() for symbol in symbols]
        return [symbol for symbol in own if symbol.name == name] or [s for s in own if _stem(s.name) == _stem(name)]

    # -- tables ------------------------------------------------------------------------------

    def _check_tables(self) -> None:
        """Each entry of the module's tables must be one of the patched objects'."""
        for section in self.module.obj.sections:
            if section.name not in _TABLES or section.name == "__mcount_loc":
                continue  # the list of profiling calls is made anew
            stride = self._stride(section.name)
            for start in range(0, section.size, stride):
                entry = self._entry(self.module, section, start, stride)
                self._check_entry(f"{section.name}+{start:#x}", section.name, entry)

    def _entry(self, obj: _Object, section: Section, start: int, stride: int) -> dict[int, Reloc]:
        relocs = obj.relocs[section]
        return {at: relocs[start + at] for at in range(stride) if start + at in relocs}

    def _check_entry(self, where: str, table: str, entry: dict[int, Reloc]) -> None:
        """The entry begins with the place of code that it is about: the same place's entry must say the same."""
        code = entry.get(0)
        if code is None or code.symbol.section is None:
            self._fault(f"{where}: it is about no code of the module")
            return
        place = code.symbol.value + code.addend
        function = self.module.at(code.symbol.section, place)
        origin = self._origin(function) if function is not None else None
        if origin is None:
            return  # the glue's own code
        assert function is not None
        obj, old = origin
        candidates = [
            theirs for theirs in self._entries_for(obj, table) if self._is_about(theirs, old, place - function.value)
        ]
        if not candidates:
            self._fault(f"{where}: the patched object has no entry for {function.name}+{place - function.value:#x}")
        faults = [self._compare_entries(table, where, entry, obj, theirs) for theirs in candidates]
        if faults and all(faults):
            self.report.faults += faults[0]

    def _stride(self, table: str) -> int:
        if _TABLES[table]:
            return _TABLES[table]
        # Two references in each entry: the code, and what takes its place.
        steps = [
            second - first
            for obj in self.patched
            for section in obj.obj.sections
            if section.name == table
            for offsets in [sorted(obj.relocs[section])[::2]]
            for first, second in zip(offsets, [*offsets[1:], section.size])
        ]
        return min(steps)

    def _entries_for(self, obj: _Object, table: str) -> Iterator[dict[int, Reloc]]:
        stride = self._stride(table)
        for section in obj.obj.sections:
            if section.name == table:
                for start in range(0, section.size, stride):
                    yield self._entry(obj, section, start, stride)

    def _is_about(self, entry: dict[int, Reloc], function: Symbol, offset: int) -> bool:
        code = entry.get(0)
        return (
            code is not None
            and code.symbol.section is function.section
            and code.symbol.value + code.addend - function.value == offset
        )

    def _compare_entries(
        self, table: str, where: str, ours: dict[int, Reloc], obj: _Object, theirs: dict[int, Reloc]
    ) -> list[str]:
        """What differs between two entries."""
        if set(ours) != set(theirs):
            return [f"{where}: not the references of the patched object's entry"]
        before = self.report.faults
        self.report.faults = []
        for at in sorted({*ours} - {0}):
            if table == ".altinstructions" and at == 4:
                self._compare_replacements(where, ours[at], self._stride(table), obj, theirs[at])
            else:
                self._compare_reference(f"{where}+{at:#x}", ours[at], obj, theirs[at], _IN_TABLES)
        found, self.report.faults = self.report.faults, before
        return found

    def _compare_replacements(self, where: str, ours: Reloc, stride: int, obj: _Object, theirs: Reloc) -> None:
        """The code that takes the place of an alternative's: the entry's last byte is its length."""
        pieces = []
        for side, reloc in ((self.module, ours), (obj, theirs)):
            (table,) = (section for section in side.obj.sections if side.relocs[section].get(reloc.offset) is reloc)
            length, section = table.data[reloc.offset - 4 + stride - 1], reloc.symbol.section
            assert section is not None
            start = reloc.symbol.value + reloc.addend
            pieces.append(Symbol(where, section, start, length))
        new, old = pieces
        if not self._same_bytes(new, obj, old):
            self._fault(f"{where}: the replacement's code is not the patched object's")
        mine, its = self._relocs(self.module, new), self._relocs(obj, old)
        for at in sorted({*mine, *its}):
            if at in mine and at in its:
                self._compare_reference(f"{where} replacement+{at:#x}", mine[at], obj, its[at])
            else:
                self._fault(f"{where}: the replacement has not the references of the patched object's")

    def _check_entries(self) -> None:
        """Each function to redirect must be, in the kernel, at the start of a function of the new one's name."""
        entries = list(self._entries(_FUNCS, _FUNC_BYTES))
        if not entries:
            self._fault(f"there is no section {_FUNCS}")
        for section, start in entries:
            self.report.checked += 1
            relocs = self._entry(self.module, section, start, _FUNC_BYTES)
            if 16 not in relocs or (8 not in relocs and 24 not in relocs):
                self._fault(f"{_FUNCS}+{start:#x}: no address or no name")
                continue
            name = self._text(relocs[16])
            if 8 not in relocs:
                size, sympos = struct.unpack_from("<II", section.data, start + 36)
                if not self.shipped.has(self._text(relocs[24]), name, sympos, size):
                    self._fault(
                        f"{_FUNCS}+{start:#x}: {self._text(relocs[24])} has no {name},{sympos} of {size} bytes"
                    )
            elif self._meaning(relocs[8], _IN_TABLES) not in {entry.address for entry in self.symbols.named(name)}:
                self._fault(
                    f"{_FUNCS}+{start:#x}: {name} is not at {self._tell(self._meaning(relocs[8], _IN_TABLES))}"
                )


class _Shipped:
    """The symbol tables of shipped modules, as the kernel walks them."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self._tables: dict[str, list[Symbol]] = {}

    def has(self, module: str, name: str, sympos: int, size: int | None = None) -> bool:
        """Whether ``module`` keeps a symbol ``name`` of this rank, and of ``size`` bytes."""
        if module not in self._tables:
            found = self.files.get(module)
            obj = ElfObject.parse(read_module(found), str(found)) if found else None
            self._tables[module] = obj.symbols if obj else []
        namesakes = [symbol for symbol in self._tables[module] if symbol.name == name and _stays(symbol)]
        rank = sympos or 1
        if rank > len(namesakes) or (sympos == 0) != (len(namesakes) == 1):
            return False
        return size is None or namesakes[rank - 1].size == size


def _stays(symbol: Symbol) -> bool:
    section = symbol.section
    return section is not None and bool(section.flags & c.SHF_ALLOC) and not section.name.startswith(".init")
