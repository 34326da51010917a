"""One object as the differ sees it: functions and data objects, and where references lead.

A reference is read by what it means: a string by its contents, a section symbol plus an
offset by the object that lies there (ELF leaves the spelling to the assembler).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from kpatch.arch.machine import Machine
from kpatch.diff.labels import bare_labels
from kpatch.diff.names import has_compiler_number, is_filled_when_linked, is_not_identity, is_prefix_symbol
from kpatch.diff.pieces import Pieces
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import BadInput, Unpatchable

__all__ = ["Body", "Entity", "Ref", "View"]


class Entity:
    """A function or a data object: all symbols of one place, the bytes ``start:end`` of a section."""

    __slots__ = (
        "aliases",
        "copyable",
        "end",
        "is_function",
        "lead",
        "section",
        "shares_place_with",
        "start",
        "symbol",
    )

    def __init__(self, symbol: Symbol, section: Section, is_function: bool) -> None:
        self.symbol = symbol
        self.aliases = [symbol]
        self.section = section
        self.start = symbol.value
        self.end = min(symbol.value + symbol.size, section.size)
        self.is_function = is_function
        #: first byte of the padding that belongs to the function (``__pfx_``), else ``start``
        self.lead = symbol.value
        #: whether no code depends on which copy of the object it sees
        self.copyable = False
        #: objects of no bytes at ``start``: by a section and an offset nobody can tell which one is meant
        self.shares_place_with: list[str] = []

    @property
    def name(self) -> str:
        return self.symbol.name

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def is_local(self) -> bool:
        """Whether no other object can refer to it by name."""
        return self.symbol.bind == c.STB_LOCAL

    def add_alias(self, symbol: Symbol) -> None:
        """Take a further symbol of the same place; the most visible one names it."""
        self.aliases.append(symbol)
        self.end = max(self.end, min(symbol.value + symbol.size, self.section.size))
        if self._rank(symbol) < self._rank(self.symbol):
            self.symbol = symbol

    @staticmethod
    def _rank(symbol: Symbol) -> tuple[int, str]:
        """By visibility, then by name: not by the order of the symbol table, which says nothing."""
        if symbol.name in ("init_module", "cleanup_module"):
            return 3, symbol.name  # what every module calls its own functions
        return {c.STB_GLOBAL: 0, c.STB_WEAK: 1}.get(symbol.bind, 2), symbol.name

    def __repr__(self) -> str:
        return f"Entity({self.name})"


class Ref(NamedTuple):
    """What a relocation refers to.

    ``kind``: ``ext`` (target is the name of an undefined symbol), ``entity``, ``str`` (target is
    the string's bytes), ``const`` (bytes of a merged constant), ``place`` (a section without
    symbols there: jump table, code fragment), ``abs``.  ``offset`` is in bytes from the target.
    """

    kind: str
    target: str | bytes | Entity | Section | int
    offset: int


class Body(NamedTuple):
    """Contents of a range: the bytes with relocated fields zeroed, and what the fields refer to."""

    data: bytes
    refs: list[tuple[int, int, Ref]]


def _is_empty(symbol: Symbol) -> bool:
    """Whether it is an object of no bytes (``struct lock_class_key`` without lockdep)."""
    return symbol.type == c.STT_OBJECT and not symbol.size


#: UBSAN's checks, KASAN's variables; the rest of the name is the compiler's label
_SANITIZER_DATA = re.compile(r"\.data\.(?=\.Lubsan_|\.L__unnamed_|\.LASAN)|\.rodata\.(?=\.L___asan_gen_)")


def _sanitizer_data(obj: ElfObject) -> list[Symbol]:
    """What -fsanitize has written to tell where things stand: one nameless object per section, named here."""
    found = ((_SANITIZER_DATA.match(section.name), section) for section in obj.sections)
    return [
        Symbol(section.name[match.end() :], section, 0, section.size, c.STB_LOCAL, c.STT_OBJECT)
        for match, section in found
        if match
    ]


def _counts_from_entry(reloc: Reloc, slot: int) -> bool:
    """Whether the text that the entry's ``slot`` refers to is found from the entry's start, not from the slot."""
    text = reloc.symbol.section
    if not slot or text is None or text.is_text:
        return False
    offset = reloc.symbol.value + reloc.addend
    if not _begins_string(text, offset - slot):
        return False
    # Assemblers keep the name of a merged text unless the reference leads to its beginning
    return reloc.addend == slot if reloc.symbol.type != c.STT_SECTION else not _begins_string(text, offset)


def _begins_string(section: Section, offset: int) -> bool:
    """Whether a string that says something begins at ``offset``."""
    data = section.data
    return 0 <= offset < len(data) and data[offset] != 0 and (offset == 0 or data[offset - 1] == 0)


class View:
    """Index over one object. Raises :class:`BadInput` for damage, Unpatchable for what is unknown."""

    def __init__(self, obj: ElfObject, machine: Machine) -> None:
        self.obj = obj
        self.machine = machine
        self.functions: list[Entity] = []
        self.objects: list[Entity] = []
        self.of_symbol: dict[Symbol, Entity] = {}
        self.in_section: dict[Section, list[Entity]] = {}
        self._starts: dict[Section, list[int]] = {}
        self._offsets: dict[Section, list[int]] = {}
        self.pieces = Pieces(self)
        self._bodies: dict[tuple[Section, int, int], Body] = {}
        #: why the contents of an entity could not be understood
        self.unreadable: dict[Entity, Unpatchable] = {}
        self._index_entities()

    def _index_entities(self) -> None:
        places: dict[tuple[Section, int], Entity] = {}
        prefixes = []
        for symbol in sorted([*self.obj.symbols, *_sanitizer_data(self.obj)], key=_is_empty):
            section = symbol.section
            if section is None or not self._is_entity(symbol, section):
                continue
            if symbol.type == c.STT_FUNC and is_prefix_symbol(symbol.name):
                prefixes.append(symbol)
                continue
            known = places.get((section, symbol.value))
            if known and known.size and _is_empty(symbol):
                # not another name of what happens to begin where it lies
                known.shares_place_with.append(symbol.name)
                known = Entity(symbol, section, section.is_text)
                self.objects.append(known)
            elif known:
                known.add_alias(symbol)
            else:
                known = places[section, symbol.value] = Entity(symbol, section, section.is_text)
                (self.functions if section.is_text else self.objects).append(known)
                self.in_section.setdefault(section, []).append(known)
            self.of_symbol[symbol] = known
        self._index_labels(places)
        for section, entities in self.in_section.items():
            entities.sort(key=lambda entity: entity.start)
            self._starts[section] = [entity.start for entity in entities]
        for symbol in prefixes:
            assert symbol.section is not None
            follower = places.get((symbol.section, symbol.value + symbol.size))
            if follower and follower.is_function:
                follower.lead = min(follower.lead, symbol.value)
        for entity in self.objects:
            entity.copyable = self._is_copyable(entity)
        order = {section: number for number, section in enumerate(self.obj.sections)}
        self.functions.sort(key=lambda entity: (order[entity.section], entity.start))
        self.objects.sort(key=lambda entity: (order[entity.section], entity.start))

    def _index_labels(self, places: dict[tuple[Section, int], Entity]) -> None:
        """What is behind a label that nothing covers: code, which counts as a function without a hook, or data."""
        covered: dict[Section, list[tuple[int, int]]] = {}
        for entity in (*self.functions, *self.objects):
            if entity.size:
                covered.setdefault(entity.section, []).append((entity.start, entity.end))
        for symbol, end in bare_labels(self.obj, self.machine, covered):
            section = symbol.section
            assert section is not None
            known = places.get((section, symbol.value))
            if known is None:
                known = places[section, symbol.value] = Entity(symbol, section, section.is_text)
                (self.functions if section.is_text else self.objects).append(known)
                self.in_section.setdefault(section, []).append(known)
            elif symbol not in known.aliases:
                known.add_alias(symbol)
            known.end = max(known.end, end)
            self.of_symbol[symbol] = known

    def _is_copyable(self, entity: Entity) -> bool:
        """Objects of one macro use, the compiler's constants, static tables of numbers and texts (``names.3``)."""
        if is_not_identity(entity.name):
            return True
        if not entity.is_local or entity.section.flags & c.SHF_WRITE:
            return False
        if is_filled_when_linked(entity.section.name):
            return False
        relocs = self.relocs_between(entity.section, entity.start, entity.end)
        strings = (reloc.symbol.section is not None and reloc.symbol.section.is_string for reloc in relocs)
        return has_compiler_number(entity.name) and all(strings)

    @staticmethod
    def _is_entity(symbol: Symbol, section: Section) -> bool:
        if symbol.name.startswith(".L") and section.is_text:
            return False
        if section.is_text:
            return symbol.type == c.STT_FUNC and bool(symbol.size)
        if section.is_string or not section.flags & c.SHF_ALLOC:
            return False
        named = symbol.type in (c.STT_OBJECT, c.STT_TLS) or (symbol.type == c.STT_NOTYPE and symbol.bind)
        return bool(named)

    def starts_in(self, section: Section) -> list[int]:
        """Where the entities of ``section`` begin, in order."""
        return self._starts.get(section, [])

    def entity_at(self, section: Section, offset: int) -> Entity | None:
        """The entity that covers ``offset`` or, in data, ends there or is the nearest before."""
        starts = self._starts.get(section)
        if not starts:
            return None
        entities = self.in_section[section]
        entity = entities[max(bisect_right(starts, offset) - 1, 0)]
        if section.is_text and not entity.lead <= offset < max(entity.end, entity.start + 1):
            return None
        return entity

    def relocs_between(self, section: Section, start: int, stop: int) -> list[Reloc]:
        """The relocations whose field begins in ``start:stop``, in order of their offsets."""
        offsets = self._offsets.get(section)
        if offsets is None:
            relocs = section.relocs
            if any(a.offset > b.offset for a, b in zip(relocs, relocs[1:])):
                relocs.sort(key=lambda reloc: reloc.offset)
            offsets = self._offsets[section] = [reloc.offset for reloc in relocs]
        return section.relocs[bisect_left(offsets, start) : bisect_left(offsets, stop)]

    def ref(self, section: Section, reloc: Reloc, start: int = 0) -> Ref:
        """What ``reloc`` of ``section`` means; ``start`` is where the code around it begins."""
        symbol = reloc.symbol
        target = symbol.section
        if target is None:
            if symbol.shndx == c.SHN_ABS:
                return Ref("abs", symbol.value, reloc.addend)
            if symbol.shndx == c.SHN_COMMON:
                raise Unpatchable(f"{symbol.name} is a common symbol", "compile with -fno-common")
            if symbol.shndx != c.SHN_UNDEF:
                raise self._damaged(f"symbol {symbol.name!r} lies in the section {symbol.shndx:#x}, which holds none")
            return Ref("ext", symbol.name, reloc.addend)
        offset = symbol.value + reloc.addend + self.bias(section, reloc, start)
        entity = self.of_symbol.get(symbol)
        if entity is None or entity.section is not target:
            if target.is_string and symbol.type != c.STT_SECTION:
                self._check_inside(target, symbol.value, offset)
            indexed = section.is_text and self.machine.is_indexed(section.data, reloc.offset)
            return self._ref_into(target, offset, indexed)
        return Ref("entity", entity, offset - entity.start)

    def bias(self, section: Section, reloc: Reloc, start: int) -> int:
        """Bytes from the field to the point that the processor, a table's jumps or an entry's reader count from."""
        if reloc.type not in self.machine.pc_relative:
            return 0
        if not section.is_text:
            if section.name.startswith(".rodata"):
                return self.pieces.table_start(section, reloc) - reloc.offset
            special = self.machine.special(section.name)
            return -special.from_start if special and _counts_from_entry(reloc, special.from_start) else 0
        if self.machine.width.get(reloc.type) != 4:
            return self.machine.width.get(reloc.type, 0)
        try:
            return self.machine.pc_bias(section.data, start, reloc.offset)
        except ValueError as error:
            raise Unpatchable(f"cannot decode the code of section {section.name}: {error}") from error

    def _ref_into(self, section: Section, offset: int, indexed: bool = False) -> Ref:
        if section.is_string:
            return Ref("str", self._string_at(section, offset), section.entsize or 1)
        entsize = section.entsize
        if section.flags & c.SHF_MERGE and entsize and 0 <= offset < section.size:
            base = offset - offset % entsize
            if not self.in_section.get(section):
                return Ref("const", section.data[base : base + entsize], offset - base)
        entity = self.entity_at(section, offset)
        if entity is None or (not section.is_text and self.pieces.is_nameless(section, offset, indexed)):
            return Ref("place", section, offset)
        return Ref("entity", entity, offset - entity.start)

    def _check_inside(self, section: Section, start: int, offset: int) -> None:
        """What lies behind the string at ``start`` is another one, or nothing: a copy has something else there."""
        if offset >= start + len(self._string_at(section, start)):
            raise Unpatchable(
                f"a reference leads to the end of a string in {section.name}", "make the string a static const array"
            )

    @staticmethod
    def _string_at(section: Section, offset: int) -> bytes:
        width = section.entsize or 1
        if not 0 <= offset < section.size:
            raise Unpatchable(
                f"a reference into {section.name} points outside of it",
                "report the object: the compiler did something new",
            )
        data = section.data
        if width == 1:
            end = data.find(b"\0", offset)
            return data[offset : end + 1 if end >= 0 else len(data)]
        end = offset
        while end < len(data) and any(data[end : end + width]):
            end += width
        return data[offset : end + width]

    def body(self, section: Section, start: int, stop: int) -> Body:
        """The contents of ``section[start:stop]`` by meaning; kept for the next asker."""
        key = (section, start, stop)
        known = self._bodies.get(key)
        if known is None:
            known = self._bodies[key] = self._read_body(section, start, stop)
        return known

    def body_of(self, entity: Entity) -> Body:
        """The contents of ``entity``."""
        return self.body(entity.section, entity.start, entity.end)

    def readable(self, entity: Entity) -> Body | None:
        """The contents of ``entity``, or None with the cause kept in ``unreadable``."""
        if entity in self.unreadable:
            return None
        try:
            return self.body_of(entity)
        except Unpatchable as error:
            self.unreadable[entity] = error
            return None

    def _damaged(self, why: str) -> BadInput:
        return BadInput(f"{self.obj.path}: {why}", "the object is damaged: build it again")

    def _read_body(self, section: Section, start: int, stop: int) -> Body:
        if section.type == c.SHT_NOBITS:
            return Body(b"", [])
        if stop > section.size:
            raise self._damaged(f"a reference leads to {section.name}+{stop:#x}, behind its end")
        data = bytearray(section.data[start:stop])
        refs = []
        width = self.machine.width
        for reloc in self.relocs_between(section, start, stop):
            size = width.get(reloc.type)
            if reloc.type not in self.machine.known_types:
                raise self._damaged(f"section {section.name} has a relocation of type {reloc.type}, which is none")
            if size is None:
                raise Unpatchable(
                    f"section {section.name} has a relocation of the unknown type {reloc.type}",
                    "report the object: this relocation must be understood first",
                )
            at = reloc.offset - start
            if not size:
                continue
            if at + size > len(data):
                raise self._damaged(f"a relocation of {section.name} reaches beyond the end of what it belongs to")
            data[at : at + size] = bytes(size)
            kind = self.machine.same_meaning.get(reloc.type, reloc.type)
            refs.append((at, kind, self.ref(section, reloc, start)))
        if section.is_text and len(self.in_section.get(section, ())) > 1:
            refs = self._with_hidden_branches(section, start, data, refs)
        return Body(bytes(data), refs)

    def hidden_branches(self, section: Section, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Branches between functions of one section that the assembler resolved: (field, width, target)."""
        found = []
        relocated = {reloc.offset for reloc in self.relocs_between(section, start, stop)}
        for offset, size, mnemonic, operands in self.machine.disassemble(section.data, start, stop):
            target = self.machine.syntax.destination(mnemonic, operands)
            if target is None:
                continue
            width = 1 if size < 5 else 4
            field = offset + size - width
            if not start <= target < stop and field not in relocated and self.entity_at(section, target) is not None:
                found.append((field, width, target))
        return found

    def _with_hidden_branches(
        self, section: Section, start: int, data: bytearray, refs: list[tuple[int, int, Ref]]
    ) -> list[tuple[int, int, Ref]]:
        more = []
        kind = self.machine.same_meaning.get(self.machine.r_branch, self.machine.r_branch)
        for field, width, target in self.hidden_branches(section, start, start + len(data)):
            at = field - start
            data[at : at + width] = bytes(width)
            more.append((at, kind if width == 4 else -width, self._ref_into(section, target)))
        return sorted(refs + more, key=lambda ref: ref[0]) if more else refs
