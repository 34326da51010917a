"""The sections by which a hot patch module tells the core what it replaces (docs/module-format.md).

``.kpatch.funcs`` and the strings go into each object of the differ, the build's identity and the
bounds into two small objects that are linked before and behind all others.  The layouts are those
of kmod/patch/kpatch-patch.h.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kpatch.build.match import Match
from kpatch.diff.result import ChangedFunction
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import MismatchError, Unpatchable

__all__ = ["ADDRESS_RELOC", "BuildIdentity", "FunctionTable", "Strings", "checksum", "first_object", "last_object"]

ADDRESS_RELOC = {c.EM_X86_64: 1}
"""The relocation that stores a 64 bit address (x86_64 psABI: R_X86_64_64)."""

_FUNC = struct.Struct("<QQQQIIIIQ")
_BUILD = struct.Struct("<QQQQIIQ")
_FLAG_FORCE, _FLAG_PART = 1, 2
_FLAG_REPLACE = 1
_FUNCS = ".kpatch.funcs"
_STRINGS = ".kpatch.strings"
_CALLBACKS = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")
_TABLES = {
    "kpatch_funcs": _FUNCS,
    "kpatch_relocs": ".kpatch.relocs",
    "kpatch_objects": ".kpatch.objects",
    **{f"kpatch_callbacks_{kind}": f".kpatch.callbacks.{kind}" for kind in _CALLBACKS},
}
"""What the symbol at the start of a table is called; the one at its end has ``_end`` behind that."""

AnchorReloc = Callable[[int, int, int], Reloc]
"""(offset, relocation type, link-time address of the kernel) -> relocation."""


@dataclass(frozen=True)
class BuildIdentity:
    """The one kernel build that fits; ``notes_address`` is a link-time address, 0 when unknown."""

    release: str
    version: str
    build_id: bytes
    notes_address: int
    notes_size: int


class Strings:
    """NUL-terminated strings of one object, each once."""

    def __init__(self, obj: ElfObject) -> None:
        self.section = obj.add_section(Section(_STRINGS, flags=c.SHF_ALLOC))
        self._at: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Offset of ``text``."""
        return self.add_bytes(text, text.encode() + b"\0")

    def add_bytes(self, name: str, data: bytes) -> int:
        """Offset of ``data``, which ``name`` stands for."""
        if name not in self._at:
            self._at[name] = len(self.section.data)
            self.section.data += data
            self.section.size = len(self.section.data)
        return self._at[name]

    def reloc(self, offset: int, type: int, at: int) -> Reloc:
        """A relocation at ``offset`` to the string at ``at``."""
        assert self.section.symbol is not None
        return Reloc(offset, type, self.section.symbol, at)


class FunctionTable:
    """Numbers the replaced functions of all objects, in the order in which they are linked."""

    def __init__(self) -> None:
        self.count = 0

    def add(
        self,
        obj: ElfObject,
        functions: Sequence[ChangedFunction],
        objname: str,
        match: Match,
        anchor: AnchorReloc | None,
    ) -> None:
        """Append ``.kpatch.funcs`` entries for ``functions`` of the differ's object ``obj``.

        ``anchor`` is None for a module: the core looks the old function up when the module is there.
        Raises :class:`MismatchError` when the shipped function is not known, :class:`Unpatchable` when
        another part of the same object would have to be entered.
        """
        if not functions:
            return
        address = ADDRESS_RELOC[obj.machine]
        table = obj.add_section(Section(_FUNCS, flags=c.SHF_ALLOC, addralign=8))
        strings = Strings(obj)
        stand_in = next((obj.symbol(function.symbol) for function in functions if function.redirected), None)
        for function in functions:
            old = match.functions.get(function.name)
            if old is None:
                why = match.failures.get(function.name, f"{function.name} was not found in the shipped kernel")
                raise MismatchError(f"what was rebuilt is not what the vendor shipped: {why}")
            new = obj.symbol(function.symbol) if function.symbol else None
            if new is None and function.redirected:
                raise Unpatchable(f"the new {function.name} is missing in the differ's output")
            at = len(table.data)
            flags = (_FLAG_FORCE if function.force else 0) | (0 if function.redirected else _FLAG_PART)
            size = new.size if new else 0
            table.data += _FUNC.pack(0, 0, 0, 0, size, old.size, old.sympos, flags, 0)
            table.size = len(table.data)
            if new is not None:
                table.relocs.append(Reloc(at, address, new, 0))
            if anchor is not None:
                table.relocs.append(anchor(at + 8, address, old.address))
            table.relocs.append(strings.reloc(at + 16, address, strings.add(function.name)))
            table.relocs.append(strings.reloc(at + 24, address, strings.add(objname)))
            self._name_trampoline_target(obj, new or stand_in)

    def _name_trampoline_target(self, obj: ElfObject, target: Symbol | None) -> None:
        """``kpatch_new_<n>``: where trampoline n of the glue jumps to; never used for parts."""
        if target is None:
            raise Unpatchable(
                "only the cold part of a function changes, and no function that leads to it",
                "change the function itself too, so that it gets a new body",
            )
        name = f"kpatch_new_{self.count}"
        obj.add_symbol(Symbol(name, target.section, target.value, target.size, c.STB_GLOBAL, c.STT_FUNC))
        self.count += 1


def _bounds(obj: ElfObject, suffix: str) -> None:
    """Symbols at the start or the end of the tables, in empty contributions to them."""
    for name, table in _TABLES.items():
        section = obj.add_section(Section(table, flags=c.SHF_ALLOC, addralign=8))
        obj.add_symbol(Symbol(name + suffix, section, bind=c.STB_GLOBAL, type=c.STT_OBJECT))


def first_object(machine: int) -> ElfObject:
    """What is linked before all others: the starts of the tables."""
    obj = ElfObject(machine)
    _bounds(obj, "")
    return obj


def last_object(
    machine: int,
    identity: BuildIdentity,
    modinfo: Iterable[tuple[str, str]],
    replace: bool,
    anchor_of: Callable[[ElfObject], AnchorReloc],
) -> ElfObject:
    """What is linked behind all others: the ends, the build's identity, flags and modinfo."""
    obj = ElfObject(machine)
    _bounds(obj, "_end")
    address = ADDRESS_RELOC[machine]
    build = obj.add_section(Section(".kpatch.build", flags=c.SHF_ALLOC, addralign=8))
    strings = Strings(obj)
    notes_size = identity.notes_size if identity.notes_address else 0
    build.data = _BUILD.pack(0, 0, 0, 0, len(identity.build_id), notes_size, 0)
    build.relocs.append(strings.reloc(0, address, strings.add(identity.release)))
    build.relocs.append(strings.reloc(8, address, strings.add(identity.version)))
    if identity.build_id:
        build.relocs.append(strings.reloc(16, address, strings.add_bytes("\0build-id", identity.build_id)))
    if notes_size:
        build.relocs.append(anchor_of(obj)(24, address, identity.notes_address))
    flags_at = len(build.data)
    build.data += struct.pack("<II", _FLAG_REPLACE if replace else 0, 0)
    build.size = len(build.data)
    obj.add_symbol(Symbol("kpatch_build_info", build, 0, _BUILD.size, c.STB_GLOBAL, c.STT_OBJECT))
    obj.add_symbol(Symbol("kpatch_flags", build, flags_at, 4, c.STB_GLOBAL, c.STT_OBJECT))
    text = b"".join(f"{key}={value}".encode() + b"\0" for key, value in modinfo)
    obj.add_section(Section(".modinfo", flags=c.SHF_ALLOC, data=text))
    return obj


def checksum(objects: Sequence[bytes]) -> str:
    """SHA-256 over the objects that the differ gave, in hexadecimal."""
    digest = hashlib.sha256()
    for data in objects:
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
