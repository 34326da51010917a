"""Anchored relocations: reach what the kernel does not export from what it does.

A hot patch is keyed to one kernel image.  A reference to the unexported symbol S becomes one to
the exported symbol E with S - E added: the kernel's own module loader resolves it, and KASLR,
which moves the image as a whole, does not matter.  Per-CPU symbols use a per-CPU export.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from kpatch.build.match import Match
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import Unpatchable
from kpatch.kernel.ksymtab import Anchors, Export, Exports, choose_anchors
from kpatch.kernel.modules import module_name
from kpatch.kernel.symbols import SymbolTable

__all__ = [
    "Anchored",
    "AnchoredSymbol",
    "Anchorer",
    "ModuleSymbol",
    "anchor_object",
    "drop_unused",
    "is_absent",
    "is_for_patches",
    "locate",
    "undefined_symbols",
]

_HINT = (
    "change the patch so that it does without these symbols, or bring their code into the patch; when the symbol "
    "belongs to a module, patch that module's source"
)
_MODULES_ONLY = "module:"
"""Start of the namespaces of EXPORT_SYMBOL_FOR_MODULES (6.16 and later): only the modules named there get it."""


@dataclass(frozen=True)
class AnchoredSymbol:
    """One symbol that is now reached from an anchor; ``source``: ``match`` or ``kallsyms``."""

    name: str
    address: int
    anchor: str
    source: str
    references: int


@dataclass(frozen=True)
class ModuleSymbol:
    """A place in a module as the core finds it: ``sympos`` is 0, or the rank in the symbol table from 1."""

    module: str
    name: str
    sympos: int
    offset: int


@dataclass
class Anchored:
    """What became of the undefined symbols of one object.

    ``kept``: exported ones and weak ones that the kernel lacks, left to the module loader; ``namespaces``
    that the module must import for them; ``modules`` (other than vmlinux) that export some of them.
    ``in_modules``: symbols of modules that the core looks up when the module is there.
    """

    anchored: list[AnchoredSymbol] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    in_modules: list[ModuleSymbol] = field(default_factory=list)

    def keep(self, export: Export) -> None:
        """Leave a reference to ``export`` to the module loader."""
        self.kept.append(export.name)
        if export.namespace:
            self.namespaces.add(export.namespace)
        if export.module != "vmlinux":
            self.modules.add(module_name(export.module))

    def to_json(self) -> dict[str, Any]:
        """The result as plain data; addresses are link-time addresses in hexadecimal."""
        return {
            "anchored": [{**vars(symbol), "address": f"{symbol.address:#x}"} for symbol in self.anchored],
            "kept": self.kept,
            "namespaces": sorted(self.namespaces),
            "modules": sorted(self.modules),
            "in_modules": [vars(symbol) for symbol in self.in_modules],
        }


class Anchorer:
    """Makes references from one object to link-time addresses of the kernel."""

    def __init__(self, obj: ElfObject, anchors: Anchors, symbols: SymbolTable) -> None:
        self.obj, self.anchors, self.symbols = obj, anchors, symbols

    def reloc(self, offset: int, type: int, address: int, addend: int = 0) -> Reloc:
        """A relocation at ``offset`` whose value is that of a symbol at ``address`` plus ``addend``.

        Raises :class:`Unpatchable` when no export moves together with ``address``.
        """
        anchor = self.anchors.for_address(address, self.symbols)
        if anchor is None:
            raise Unpatchable(
                f"the kernel exports no per-CPU symbol to reach the address {address:#x} from",
                "change the patch so that it does without the unexported per-CPU variable",
            )
        return Reloc(offset, type, self._undefined(anchor.name), address - anchor.address + addend)

    def move(self, name: str, address: int, source: str, references: Sequence[Reloc]) -> AnchoredSymbol:
        """Have ``references``, relocations to ``name``, lead to ``address`` by way of an anchor.

        Raises :class:`Unpatchable` as :meth:`reloc` does.
        """
        for reloc in references:
            moved = self.reloc(reloc.offset, reloc.type, address, reloc.addend)
            reloc.symbol, reloc.addend = moved.symbol, moved.addend
        anchor = self.anchors.for_address(address, self.symbols)
        return AnchoredSymbol(name, address, anchor.name if anchor else "", source, len(references))

    def _undefined(self, name: str) -> Symbol:
        for symbol in self.obj.symbols:
            if symbol.name == name and symbol.is_undefined:
                return symbol
        return self.obj.add_symbol(Symbol(name, bind=c.STB_GLOBAL))


def anchor_object(
    obj: ElfObject,
    exports: Exports,
    symbols: SymbolTable,
    match: Match | None = None,
    *,
    provided: Collection[str] = (),
) -> Anchored:
    """Give every undefined symbol of ``obj`` that the kernel does not export an anchored address.

    Addresses come from ``match`` (the fields of the shipped code) or, for names that occur once,
    from ``symbols``.  ``provided`` names what other parts of the same module define.  Changes
    ``obj`` in place.  Raises :class:`Unpatchable` naming all symbols that have no sure address.
    """
    anchorer = Anchorer(obj, choose_anchors(exports, symbols), symbols)
    result, failures = Anchored(), []
    for symbol, references in undefined_symbols(obj, provided).items():
        export = exports.get(symbol.name)
        if export and _is_meant(export, symbols, match):
            result.keep(export)
            continue
        if is_absent(symbol, symbols, match):
            result.kept.append(symbol.name)
            continue
        found = locate(symbol.name, symbols, match)
        if isinstance(found, str):
            failures.append(found)
        else:
            result.anchored.append(anchorer.move(symbol.name, *found, [reloc for _, reloc in references]))
    if failures:
        raise Unpatchable(
            f"{obj.path or 'the patch'} needs symbols that it cannot reach: {'; '.join(failures)}", _HINT
        )
    drop_unused(obj, {symbol.name for symbol in result.anchored})
    return result


def undefined_symbols(obj: ElfObject, provided: Collection[str]) -> dict[Symbol, list[tuple[Section, Reloc]]]:
    """The undefined symbols of ``obj`` that are not called one of ``provided``, and where they are referred to."""
    found: dict[Symbol, list[tuple[Section, Reloc]]] = {
        symbol: [] for symbol in obj.symbols if symbol.is_undefined and symbol.name and symbol.name not in provided
    }
    for section in obj.sections:
        for reloc in section.relocs:
            if reloc.symbol in found:
                found[reloc.symbol].append((section, reloc))
    return found


def is_absent(symbol: Symbol, symbols: SymbolTable, match: Match | None = None) -> bool:
    """Whether ``symbol`` is a weak reference to what this kernel lacks: the loader makes it 0, as the linker."""
    address = match.addresses.get(symbol.name) if match else None
    return symbol.bind == c.STB_WEAK and not address and not symbols.named(symbol.name)


def is_for_patches(export: Export) -> bool:
    """Whether the module loader gives ``export`` to a hot patch."""
    return not export.namespace.startswith(_MODULES_ONLY)


def _is_meant(export: Export, symbols: SymbolTable, match: Match | None) -> bool:
    """Whether the export is what the code means, not a local namesake, and a hot patch may use it."""
    if not is_for_patches(export):
        return False
    address = match.addresses.get(export.name) if match else None
    if address is None or export.module != "vmlinux":
        return True
    return any(symbol.address == address and symbol.type.isupper() for symbol in symbols.named(export.name))


def locate(name: str, symbols: SymbolTable, match: Match | None) -> tuple[int, str] | str:
    """The kernel's address of ``name`` and where it is known from, or why there is none."""
    address, source = match.addresses.get(name) if match else None, "match"
    if address is None:
        namesakes = symbols.named(name)
        if not namesakes:
            return f"{name} (not in the kernel's symbols)"
        if len({symbol.address for symbol in namesakes}) > 1:
            return f"{name} ({len(namesakes)} symbols have this name, and no shipped code tells which is meant)"
        address, source = namesakes[0].address, "kallsyms"
    if _is_freed(address, symbols):
        return f"{name} (its memory is freed after boot)"
    return address, source


def _is_freed(address: int, symbols: SymbolTable) -> bool:
    """Whether ``address`` lies in the kernel's init memory; the per-CPU template there is no address of its own."""
    start, end = symbols.unique("__init_begin"), symbols.unique("__init_end")
    inside = bool(start and end and start.address <= address < end.address)
    return inside and not symbols.is_percpu(address)


def drop_unused(obj: ElfObject, names: set[str]) -> None:
    """Remove undefined symbols of these names: nothing refers to them any more."""
    used = {reloc.symbol for section in obj.sections for reloc in section.relocs}
    obj.symbols = [
        symbol for symbol in obj.symbols if not (symbol.is_undefined and symbol.name in names and symbol not in used)
    ]
