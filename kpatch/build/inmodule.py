"""Code of a module: the vendor match against the shipped .ko, and where its references lead.

A module loads where it likes, so nothing in it can be anchored: what a hot patch needs of it is named by
module, symbol and rank among the namesakes, and the core fills it in when the module is there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from kpatch.arch.x86_64 import R_32, R_32S, R_64, R_PC32, R_PC64, R_PLT32
from kpatch.build.anchor import (
    Anchored,
    Anchorer,
    ModuleSymbol,
    drop_unused,
    is_absent,
    is_for_patches,
    locate,
    undefined_symbols,
)
from kpatch.build.match import Match, match_object
from kpatch.elf.object import ElfObject, Reloc, Section
from kpatch.errors import Unpatchable
from kpatch.kernel.ksymtab import Exports, choose_anchors
from kpatch.kernel.module import ModuleImage
from kpatch.kernel.modules import Modules, module_name
from kpatch.kernel.symbols import SymbolTable

__all__ = ["ModuleCode", "Place", "match_module"]

_HINT = "change the patch so that it does without these symbols, or bring their code into the patch"
_CORE_TYPES = frozenset({R_64, R_PC32, R_PLT32, R_32, R_32S, R_PC64})
"""Relocations that the core can make (kmod/patch/kpatch-patch.h)."""


@dataclass(frozen=True)
class Place:
    """A field of the hot patch that the core writes when the module is there, as an ELF relocation would."""

    section: Section
    reloc: Reloc
    target: ModuleSymbol


def match_module(original: ElfObject, image: ModuleImage, functions: Collection[str]) -> Match:
    """The vendor match of ``original`` in a shipped module; positions and sizes are those of its symbol table.

    Raises :class:`MismatchError` when one of ``functions`` is not the vendor's.
    """
    match = match_object(original, image, image.symbols, functions=functions)
    for name, function in list(match.functions.items()):
        found = image.kept_at(name, function.address)
        if found is None or found[0].name != name or found[1]:
            del match.functions[name]
            match.failures[name] = f"{name}: its code is not there once the module has started"
        else:
            symbol, _ = found
            match.functions[name] = replace(function, sympos=image.position(symbol), size=symbol.size)
    return match


class ModuleCode:
    """Resolves the references of the patch's objects that belong to one module."""

    def __init__(self, objname: str, modules: Modules, exports: Exports, symbols: SymbolTable) -> None:
        """``exports`` and ``symbols``: those of the kernel."""
        self.objname, self.modules, self.exports, self.symbols = objname, modules, exports, symbols
        self.image = modules.get(objname)
        self.needs = modules.needs(objname)

    def resolve(
        self, obj: ElfObject, original: ElfObject, match: Match, provided: Collection[str]
    ) -> tuple[Anchored, list[Place]]:
        """What becomes of each undefined symbol of ``obj``, which is changed in place.

        Exports of the kernel stay, its other symbols are anchored, and the relocations to symbols of modules
        are taken out and returned.  Raises :class:`Unpatchable` naming all symbols that cannot be reached.
        """
        anchorer = Anchorer(obj, choose_anchors(self.exports, self.symbols), self.symbols)
        own = {symbol.name for symbol in original.symbols if not symbol.is_undefined}
        result, places, failures = Anchored(), list[Place](), []
        for symbol, references in undefined_symbols(obj, provided).items():
            name, export = symbol.name, self.exports.get(symbol.name)
            found = self._find(name, name in own, match)
            if isinstance(found, ModuleSymbol):
                places += [Place(section, reloc, found) for section, reloc in references]
                result.in_modules.append(found)
            elif found is None and export and is_for_patches(export):
                result.keep(export)
            elif found is None and is_absent(symbol, self.symbols):
                result.kept.append(name)
            else:
                address = found or locate(name, self.symbols, None)
                if isinstance(address, str):
                    failures.append(address)
                else:
                    result.anchored.append(anchorer.move(name, *address, [reloc for _, reloc in references]))
        failures += [
            f"{place.target.name} (relocation type {place.reloc.type} to a module is not supported)"
            for place in places
            if place.reloc.type not in _CORE_TYPES
        ]
        if failures:
            raise Unpatchable(
                f"{obj.path or 'the patch'} needs symbols that it cannot reach: {'; '.join(failures)}", _HINT
            )
        _take_out(places)
        drop_unused(obj, {symbol.name for symbol in undefined_symbols(obj, [*provided, *result.kept])})
        return result, places

    def _find(self, name: str, own: bool, match: Match) -> ModuleSymbol | str | None:
        """Where ``name`` leads: a module's symbol, None when only the kernel can have it, or why it leads nowhere.

        ``own``: whether the object itself defines it, so that no other file's namesake can be meant.
        """
        address = match.addresses.get(name)
        if address is not None and self.image.outside(address) is None:
            return self._at(name, address)
        if address is None and (own or name == "__this_module" or self._defines(name)):
            return self._by_name(self.objname, name)
        return self._of_another(name)

    def _at(self, name: str, address: int) -> ModuleSymbol | str:
        found = self.image.kept_at(name, address)
        if found is None:
            return f"{name} (its memory is freed when the module has started)"
        symbol, offset = found
        return ModuleSymbol(self.objname, symbol.name, self.image.position(symbol), offset)

    def _by_name(self, module: str, name: str) -> ModuleSymbol | str:
        kept = self.modules.get(module).kept(name)
        if len(kept) == 1:
            return ModuleSymbol(module, name, 0, 0)
        if not kept:
            return f"{name} (not in the module {module} once it has started)"
        return f"{name} ({len(kept)} symbols of {module} have this name, and no shipped code tells which is meant)"

    def _defines(self, name: str) -> bool:
        return any(symbol.bind for symbol in self.image.kept(name))

    def _of_another(self, name: str) -> ModuleSymbol | str | None:
        export = self.exports.get(name)
        if export is None:
            owner = next((each for each in self.needs[1:] if self.modules.get(each).exports(name)), "")
        else:
            owner = "" if export.module == "vmlinux" else module_name(export.module)
        if owner and owner not in self.needs:
            return f"{name} (exported by {owner}, which {self.objname} does not load)"
        return self._by_name(owner, name) if owner else None


def _take_out(places: list[Place]) -> None:
    """Remove the relocations of ``places``: the module loader must not see them."""
    gone: dict[Section, set[Reloc]] = {}
    for place in places:
        gone.setdefault(place.section, set()).add(place.reloc)
    for section, relocs in gone.items():
        section.relocs = [reloc for reloc in section.relocs if reloc not in relocs]
