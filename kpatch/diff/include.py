"""Inclusion: exactly the closure that the changed functions need, written to the out object.

Rules: a call of an included function goes to its new body; a pointer to a function of the
running kernel stays a pointer to the original, so that pointers compare equal and everything
is redirected in one place; data of the running kernel is referred to, never copied; strings,
compiler constants and objects of one macro use are copied.
"""

from __future__ import annotations

from collections.abc import Collection

from kpatch.diff.changes import Changes
from kpatch.diff.compare import Comparer
from kpatch.diff.entries import Entries
from kpatch.diff.model import Entity, Ref, View
from kpatch.diff.names import is_cold_child, is_filled_when_linked, is_init_section
from kpatch.diff.neighbours import other_meaning
from kpatch.diff.outobject import Copied, OutObject
from kpatch.diff.result import DiffResult
from kpatch.diff.running import Running, has_landing_pad
from kpatch.diff.users import Users, labels_in
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import Unpatchable

__all__ = ["Inclusion"]


class Inclusion:
    """Builds the out object from the patched one. All sets hold entities of the patched side."""

    def __init__(
        self, comparer: Comparer, users: Users, changes: Changes, ambiguous: set[Entity], result: DiffResult
    ) -> None:
        self.comparer = comparer
        self.view: View = comparer.p
        self.changes = changes
        self.ambiguous = ambiguous
        self.result = result
        self.symbols: dict[Entity, Symbol] = {}
        self.out = OutObject(self.view.obj)
        self.running = Running(comparer.tables[0], users, result)
        self.entries = Entries(comparer, self.out, self.symbols, self._variable, result)
        #: the author's callback tables are copied whole
        self._whole: dict[Section, Section] = {}

    def run(self, extra: list[Section], wanted: Collection[str] = ()) -> ElfObject:
        """Include the changed functions, the author's sections ``extra``, and all that they need.

        ``wanted``: new global functions and data that other objects of the patch refer to.
        """
        for function in self.view.functions:
            if function in self.changes.changed:
                self._include_function(function)
        for entity in self.wanted(wanted):
            if entity.is_function:
                self._include_function(entity)
            else:
                self._object(entity)
        for section in extra:
            self._whole[section] = self.out.copy(section, 0, section.size)
        for copied in self.out.pending():
            self._relocate(copied)
        self.result.references = self.out.references
        self.result.address_taken = self.running.address_taken
        return self.out.finish()

    def wanted(self, names: Collection[str]) -> list[Entity]:
        """The new global functions and data of the patched object that are called one of ``names``."""
        return [
            entity
            for entity in (*self.view.functions, *self.view.objects)
            if not entity.is_local and entity.name in names and entity not in self.comparer.twins.original
        ]

    # -- functions ----------------------------------------------------------------------------

    def _include_function(self, function: Entity) -> Symbol:
        """Copy ``function``, with those that it can only reach by a short jump."""
        if function in self.symbols:
            return self.symbols[function]
        members = self._cluster(function)
        section = function.section
        alone = len(self.view.in_section[section]) == 1
        start = 0 if alone else min(member.lead for member in members)
        stop = section.size if alone else max(member.end for member in members)
        copy = self.out.new_section(section, start, stop, section.name if alone else f".text.{function.name}")
        if not alone:
            copy.data = _blanked(section.data[start:stop], [(m.lead - start, m.end - start) for m in members])
        for member in members:
            self._place_function(member, copy, start)
        for member in members:
            at, end = (start, stop) if alone else (member.lead, member.end)
            self.out.relocate_later(Copied(section, at, end, copy, at - start))
            entries = self.comparer.tables[1].entries_of_range(member, at, end)
            for entry in entries:
                self.entries.include(entry)
            if not alone:
                self.entries.begin_unwinding(member, entries)
        return self.symbols[function]

    def _place_function(self, function: Entity, copy: Section, start: int) -> None:
        section = function.section
        if is_init_section(section.name) and function not in self.changes.changed:
            message = "new code calls a function that the kernel frees after start"
            self.result.refuse("init-code", function.name, section.name, message)
        original = self.comparer.twins.original.get(function)
        symbol = Symbol(original.name if original else function.name, copy, function.start - start, function.size)
        symbol.type = c.STT_FUNC
        self.symbols[function] = self.out.elf.add_symbol(symbol)
        if original is None:
            # Other objects of the same patch may call what is new.
            symbol.bind = function.symbol.bind
            self.result.new_functions.append(function.name)

    def _cluster(self, function: Entity) -> list[Entity]:
        """``function`` and what short jumps tie to it: they must keep their distance."""
        section = function.section
        found, todo = {function}, [function]
        while todo and len(self.view.in_section[section]) > 1:
            member = todo.pop()
            for _, width, target in self.view.hidden_branches(section, member.start, member.end):
                other = self.view.entity_at(section, target)
                if width == 1 and other is not None and other not in found and other not in self.symbols:
                    found.add(other)
                    todo.append(other)
        return sorted(found, key=lambda member: member.start)

    def _function(self, target: Entity, offset: int, branch: bool) -> Symbol:
        """What a reference to ``target``, ``offset`` bytes into it, leads to."""
        machine = self.view.machine
        original = self.comparer.twins.original.get(target)
        replaced = target in self.changes.changed
        inside = offset != 0 and (replaced or original is None)
        # no code could hold the address before, and the old body faults when it is called through it
        faults = original is not None and has_landing_pad(target, machine) and not has_landing_pad(original, machine)
        if original is None or inside or (replaced and (branch or faults)):
            return self._include_function(target)
        return self.out.undefined(self.running.function(original, branch))

    # -- data -----------------------------------------------------------------------------------

    def _object(self, entity: Entity) -> Symbol:
        if entity in self.symbols:
            return self.symbols[entity]
        original = self.comparer.twins.original.get(entity)
        if original is None or entity in self.comparer.changed_constants or self._leads_into_changed(entity):
            return self._include_object(entity, original)
        return self.out.undefined(self.running.object(original))

    def _variable(self, name: str) -> Symbol:
        entity = next((entity for entity in self.view.objects if entity.name == name), None)
        return self.out.undefined(name) if entity is None else self._object(entity)

    def _include_object(self, entity: Entity, original: Entity | None) -> Symbol:
        section = entity.section
        self._check_new_data(entity)
        alone = len(self.view.in_section[section]) == 1
        start, stop = (0, section.size) if alone else (entity.start, entity.end)
        symbol = Symbol(original.name if original else entity.name, None, entity.start - start, entity.size)
        symbol.type = entity.symbol.type
        if original is None:
            symbol.bind = entity.symbol.bind
        self.symbols[entity] = symbol
        symbol.section = self.out.copy(section, start, stop)
        self.out.elf.add_symbol(symbol)
        self.result.new_data.append(entity.name)
        return symbol

    def _check_new_data(self, entity: Entity) -> None:
        section = entity.section.name
        if entity in self.ambiguous:
            self.result.refuse(
                "ambiguous-static-local",
                entity.name,
                section,
                f"static variable {entity.name} could be one of several variables of the running kernel",
                "give the static variables different names, or use a shadow variable",
            )
        if is_init_section(section):
            self.result.refuse("init-data", entity.name, section, "new data that is freed after start is used")
        if is_filled_when_linked(section):
            message = f"new code uses {entity.name}, which only the link of the kernel could fill in"
            self.result.refuse("changed-registration", entity.name, section, message)

    def _leads_into_changed(self, table: Entity) -> bool:
        """Whether it holds labels of changed code: the one of the running kernel leads into the old body."""
        if not any(function in self.changes.changed for function in labels_in(self.view.body_of(table))):
            return False
        if table.section.flags & c.SHF_WRITE or not table.is_local:
            message = f"{table.name} holds labels of code that changes, and it may have been written to"
            self.result.refuse("changed-data", table.name, table.section.name, message, "make the table static const")
        return True

    # -- where references lead --------------------------------------------------------------------

    def _relocate(self, copied: Copied) -> None:
        section, start, stop, out, at = copied
        for reloc in self.view.relocs_between(section, start, stop):
            if not self.view.machine.width.get(reloc.type):
                continue
            ref = self.view.ref(section, reloc, start)
            bias = 0 if ref.kind == "ext" else self.view.bias(section, reloc, start)
            self._check_neighbours(copied, reloc, ref)
            symbol, offset = self._place_of(section, reloc.offset, ref)
            out.relocs.append(Reloc(at + reloc.offset - start, reloc.type, symbol, offset - bias))
        if section.is_text and len(self.view.in_section.get(section, ())) > 1:
            self._relocate_hidden_branches(copied)

    def _check_neighbours(self, copied: Copied, reloc: Reloc, ref: Ref) -> None:
        other = other_meaning(self.view, self.comparer.twins, copied, reloc, ref)
        if other is not None:
            assert isinstance(ref.target, Entity)
            self.result.refuse(
                "ambiguous-reference",
                ref.target.name,
                ref.target.section.name,
                f"a reference to {ref.target.name} may as well mean {other.name}, which lies beside it only in the "
                "patched object",
                "leave variables of this section as they are: give a new one no section, or make it global",
            )

    def _relocate_hidden_branches(self, copied: Copied) -> None:
        """Long branches that the assembler resolved may lead to other sections now."""
        section, start, stop, out, at = copied
        for field, width, target in self.view.hidden_branches(section, start, stop):
            if width == 1:
                continue
            entity = self.view.entity_at(section, target)
            assert entity is not None
            offset = target - entity.start
            symbol = self._function(entity, offset, branch=True)
            place = at + field - start
            out.data = out.data[:place] + bytes(4) + out.data[place + 4 :]
            out.relocs.append(Reloc(place, self.view.machine.r_branch, symbol, offset - 4))

    def _place_of(self, section: Section, field: int, ref: Ref) -> tuple[Symbol, int]:
        target = ref.target
        if ref.kind == "ext":
            return self.out.undefined(self.running.foreign(str(target), self._enters(section, field))), ref.offset
        if ref.kind in ("str", "const"):
            assert isinstance(target, bytes)
            return self.out.pooled(ref.kind, target, ref.offset)
        if ref.kind == "abs":
            assert isinstance(target, int)
            return self.out.absolute(target), ref.offset
        if isinstance(target, Section):
            return self._section_place(section, field, target, ref.offset)
        assert isinstance(target, Entity)
        if not target.is_function:
            return self._object(target), ref.offset
        special = self.view.machine.special(section.name) is not None
        if target in self.symbols and (special or ref.offset):
            # An entry of the copy, or a jump inside of it: also where it is a copy of unchanged code.
            return self.symbols[target], ref.offset
        enters = self._enters(section, field) or is_cold_child(target.name)  # by a jump table
        return self._function(target, ref.offset, enters), ref.offset

    def _enters(self, section: Section, field: int) -> bool:
        """Whether the reference at ``field`` is no pointer: a call or jump, or an entry of a special section."""
        machine = self.view.machine
        branch = section.is_text and machine.is_branch(section.data, field)
        return branch or machine.special(section.name) is not None

    def _section_place(self, section: Section, field: int, target: Section, offset: int) -> tuple[Symbol, int]:
        if target.name in self.view.machine.fragment_sections:
            return self.entries.fragment_place(section, field, target, offset)
        if self.view.machine.special(target.name):
            return self.entries.place(target, offset)
        whole = self._whole.get(target)
        if whole is not None:
            assert whole.symbol is not None
            return whole.symbol, offset
        if target.is_text and self.view.in_section.get(target):
            return self._end_of_function(target, offset)
        if target.flags & c.SHF_WRITE:
            self.result.refuse(
                "unknown-data",
                "",
                target.name,
                f"code refers to writable data without a symbol in section {target.name}",
                "report the object: the compiler did something new",
            )
        start, stop = self.view.pieces.piece(target, offset)
        copy = self.out.copy(target, start, stop)
        assert copy.symbol is not None
        return copy.symbol, offset - start

    def _end_of_function(self, section: Section, offset: int) -> tuple[Symbol, int]:
        """A place behind a function, where its unwind entries end."""
        alone = len(self.view.in_section[section]) == 1
        for entity in self.view.in_section[section]:
            symbol = self.symbols.get(entity)
            if symbol is not None and (alone or entity.lead <= offset <= entity.end):
                return symbol, offset - entity.start
        raise Unpatchable(f"code refers to {section.name}+{offset:#x}, where no function is")


def _blanked(data: bytes, kept: list[tuple[int, int]]) -> bytes:
    """``data`` with breakpoints (int3) in place of everything outside of the ranges ``kept``."""
    out = bytearray(b"\xcc" * len(data))
    for start, stop in kept:
        out[start:stop] = data[start:stop]
    return bytes(out)
