"""Who refers to what in one object, and what jumps tie together."""

from __future__ import annotations

from collections import defaultdict

from kpatch.diff.model import Body, Entity, View
from kpatch.diff.names import is_cold_child, is_never_called_through
from kpatch.diff.special import Entry, SpecialTables
from kpatch.elf import const as c
from kpatch.elf.object import Section

__all__ = ["Users", "labels_in"]


class Users:
    """Who refers to what in one object."""

    def __init__(self, tables: SpecialTables) -> None:
        self._tables = tables
        view = tables.view
        #: functions that call or jump to an entity's start
        self.branches: dict[Entity, set[Entity]] = defaultdict(set)
        #: the unlikely halves that a function jumps to
        self.cold_callees: dict[Entity, set[Entity]] = defaultdict(set)
        #: functions that hold its address
        self.pointers: dict[Entity, set[Entity]] = defaultdict(set)
        #: whether data or a code fragment refers to it
        self.elsewhere: set[Entity] = set()
        #: symbols of other objects whose address code or data holds
        self.foreign_pointers: set[str] = set()
        #: functions joined by jumps into each other's middle: they can only change together
        self.joined: dict[Entity, set[Entity]] = defaultdict(set)
        for function in view.functions:
            body = view.readable(function)
            if body is not None:
                self._read_function(view, function, body)
            for entry in tables.entries_of(function):
                if not entry.special.derived:  # those name places only
                    self._join_targets(view, function, view.body(entry.section, entry.start, entry.stop), entry)
        for section in view.obj.sections:
            if section.flags & c.SHF_ALLOC and not view.machine.special(section.name):
                self._read_rest(view, section)

    def _read_function(self, view: View, function: Entity, body: Body) -> None:
        for at, _, ref in body.refs:
            target = ref.target
            if isinstance(target, Section):
                self._join_place(view, function, target, ref.offset)
            if ref.kind == "ext" and not view.machine.is_branch(body.data, at):
                self.foreign_pointers.add(str(target))
            if not isinstance(target, Entity):
                continue
            if not target.is_function:
                self.pointers[target].add(function)
                self._join_labels(view, function, target)
            elif ref.offset != 0:
                self._join(function, target)
            elif view.machine.is_branch(body.data, at):
                self.branches[target].add(function)
                if is_cold_child(target.name):
                    self.cold_callees[function].add(target)
            else:
                self.pointers[target].add(function)

    def _join(self, one: Entity, other: Entity) -> None:
        if one is not other:
            self.joined[one].add(other)
            self.joined[other].add(one)

    def _join_place(self, view: View, function: Entity, section: Section, offset: int) -> None:
        """A jump table leads its function into the middle of others (``foo.cold``), and so does a code fragment."""
        if section.name in view.machine.fragment_sections:
            self._join_targets(view, function, view.body(section, *self._tables.fragment(section, offset)))
        elif not view.machine.special(section.name):
            self._join_targets(view, function, view.body(section, *view.pieces.piece(section, offset)))

    def _join_targets(self, view: View, function: Entity, body: Body, entry: Entry | None = None) -> None:
        """What a table or an ``entry`` of ``function`` (jump label, exception) leads to, other than by a call."""
        todo, seen = [body], {id(body)}
        while todo:
            for at, _, ref in todo.pop().refs:
                target = ref.target
                if isinstance(target, Section) and target.name in view.machine.fragment_sections:
                    fragment = view.body(target, *self._tables.blob(entry, at, target, ref.offset))
                    todo += [fragment] * (id(fragment) not in seen)
                    seen.add(id(fragment))
                elif isinstance(target, Entity) and target.is_function and (ref.offset or is_cold_child(target.name)):
                    self._join(function, target)
            entry = None  # what a fragment leads to, it says itself

    def _join_labels(self, view: View, function: Entity, table: Entity) -> None:
        """So does a table of labels (``goto *table[n]``)."""
        body = view.readable(table)
        for target in labels_in(body) if body is not None else ():
            self._join(function, target)

    def _read_rest(self, view: View, section: Section) -> None:
        if is_never_called_through(section.name) or (section.is_text and view.in_section.get(section)):
            return
        for reloc in section.relocs:
            ref = view.ref(section, reloc)
            if ref.kind == "ext":
                self.foreign_pointers.add(str(ref.target))
            if not isinstance(ref.target, Entity) or (ref.target.is_function and ref.offset):
                continue
            if not is_cold_child(ref.target.name):  # only jump tables lead there
                self.elsewhere.add(ref.target)

    def family(self, function: Entity) -> set[Entity]:
        """``function`` and all that can only change together with it."""
        found, todo = {function}, [function]
        while todo:
            for other in self.joined.get(todo.pop(), ()):
                if other not in found:
                    found.add(other)
                    todo.append(other)
        return found


def labels_in(body: Body) -> list[Entity]:
    """The functions into whose middle the contents of a data object lead."""
    targets = [ref.target for _, _, ref in body.refs if ref.offset]
    return [target for target in targets if isinstance(target, Entity) and target.is_function]
