"""Which functions change: by comparison, then by everything that a change drags along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kpatch.diff.compare import Comparer
from kpatch.diff.lines import only_lines_differ
from kpatch.diff.model import Entity
from kpatch.diff.moves import Moves
from kpatch.diff.names import is_cold_child, is_init_section, parent_name
from kpatch.diff.result import Refusal
from kpatch.diff.special import SpecialTables
from kpatch.diff.users import Users

__all__ = ["Changes", "find_changes"]


class Changes:
    """The outcome: entities of the patched object unless said otherwise."""

    def __init__(self) -> None:
        #: functions whose running body must be replaced
        self.changed: set[Entity] = set()
        #: those of ``changed`` without a place to hook, entered from redirected ones only
        self.parts: set[Entity] = set()
        #: parts of the original that have no successor, but may be on a stack
        self.gone_parts: list[Entity] = []
        self.refusals: list[Refusal] = []


def _has_profiling_call(tables: SpecialTables, function: Entity) -> bool:
    """Whether ftrace can hook ``function``: it is listed, or begins with the profiling call."""
    machine = tables.view.machine
    if any(entry.special.name in machine.profiling_tables for entry in tables.entries_of(function)):
        return True
    relocs = tables.view.relocs_between(function.section, function.start, min(function.start + 16, function.end))
    for reloc in relocs[:1]:
        lead = function.section.data[function.start : reloc.offset - 1]
        return reloc.symbol.name in machine.profiling_calls and lead in machine.landing_pads
    return False


def find_changes(comparer: Comparer, users: tuple[Users, Users], ignored: set[str]) -> Changes:
    """Compare all paired functions, then follow what the differences drag along."""
    changes = Changes()
    moves = Moves(comparer)
    for patched in comparer.p.functions:
        original = comparer.twins.original.get(patched)
        if original is None or patched.name in ignored:
            continue
        if not _is_same(comparer, original, patched, moves):
            changes.changed.add(patched)
    _Propagation(comparer, users, changes, ignored).run()
    return changes


def _is_same(comparer: Comparer, a: Entity, b: Entity, moves: Moves) -> bool:
    one, other = comparer.o.readable(a), comparer.p.readable(b)
    if one is None or other is None:
        return _is_same_spelled(comparer, a, b)
    if a.size != b.size or not comparer.same_refs(one, other) or not comparer.same_entries(a, b):
        return False
    return one.data == other.data or only_lines_differ(comparer, a, b, moves)


def _is_same_spelled(comparer: Comparer, a: Entity, b: Entity) -> bool:
    """Equality without understanding: bytes and relocations as they are written."""
    if a.section.data[a.start : a.end] != b.section.data[b.start : b.end] or a.start != b.start:
        return False
    old = comparer.o.relocs_between(a.section, a.start, a.end)
    new = comparer.p.relocs_between(b.section, b.start, b.end)
    return [(r.offset, r.type, r.symbol.name, r.addend) for r in old] == [
        (r.offset, r.type, r.symbol.name, r.addend) for r in new
    ]


class _Propagation:
    """Grows the set of changed functions until every old body that must not run is replaced."""

    def __init__(self, comparer: Comparer, users: tuple[Users, Users], changes: Changes, ignored: set[str]) -> None:
        self.comparer = comparer
        self.old_users, self.users = users
        self.changes = changes
        self.ignored = ignored
        self.todo: list[Entity] = []

    def run(self) -> None:
        self.todo = sorted(self.changes.changed, key=lambda entity: entity.name)
        while self.todo:
            function = self.todo.pop()
            self._add(self.users.family(function))
            self._follow_cold(function)
            self._follow_parent(function)
            original = self.comparer.twins.original[function]
            if is_init_section(original.section.name):
                self._refuse("init-code", original)
            elif not _has_profiling_call(self.comparer.tables[0], original):
                self._follow_callers(function)
        self._find_gone_parts()

    def _add(self, functions: Iterable[Entity]) -> None:
        for function in sorted(functions, key=lambda entity: entity.name):
            if function in self.changes.changed or function not in self.comparer.twins.original:
                continue
            if function.name not in self.ignored:
                self.changes.changed.add(function)
                self.todo.append(function)

    def _follow_cold(self, function: Entity) -> None:
        """``foo.cold`` runs on the stack frame of ``foo``: it goes with it even when its own code is the same."""
        body = self.comparer.p.readable(function)
        targets = [ref.target for _, _, ref in body.refs] if body is not None else []
        self._add(target for target in targets if isinstance(target, Entity) and is_cold_child(target.name))

    def _follow_parent(self, function: Entity) -> None:
        """A change in ``foo.part.0`` changes ``foo``: it was one function in the source."""
        parent = parent_name(function.name)
        if parent is not None:
            callers = self.users.branches[function] | self.users.pointers[function]
            self._add(caller for caller in callers if caller.name == parent or parent_name(caller.name) == parent)

    def _follow_callers(self, function: Entity) -> None:
        """Without a place to hook, replace everything that enters the function instead."""
        original = self.comparer.twins.original[function]
        reachable = self.users.branches[function] | self.old_users.branches[original]
        joined = any(
            _has_profiling_call(self.comparer.tables[0], self.comparer.twins.original[other])
            for other in self.users.family(function)
            if other in self.comparer.twins.original
        )
        escapes = bool(self.users.pointers[function] or self.old_users.pointers[original])
        escapes |= function in self.users.elsewhere or original in self.old_users.elsewhere
        if original.is_local and not escapes and (reachable or joined):
            self.changes.parts.add(function)
            self._add(self.users.branches[function])
        else:
            self._refuse("no-fentry", original)

    def _refuse(self, code: str, original: Entity) -> None:
        why, remedy = _REASONS[code]
        refusal = Refusal(code, original.name, original.section.name, f"{original.name}: {why}", remedy)
        if refusal not in self.changes.refusals:
            self.changes.refusals.append(refusal)

    def _find_gone_parts(self) -> None:
        """Parts without a successor, and removed functions that would go on to call what has changed."""
        todo = [self.comparer.twins.original[function] for function in self.changes.changed]
        gone: set[Entity] = set()
        while todo:
            function = todo.pop()
            callers = self.old_users.branches[function] | self.old_users.pointers[function]
            for part in {*_parts_of(function, self.old_users), *callers} - gone:
                if part not in self.comparer.twins.patched and not is_init_section(part.section.name):
                    gone.add(part)
                    todo.append(part)
        self.changes.gone_parts = sorted(gone, key=lambda entity: entity.name)


def _parts_of(function: Entity, users: Users) -> Iterator[Entity]:
    family = users.family(function)
    for member in family:
        yield from (other for other in users.cold_callees[member] if other not in family)
    yield from family - {function}


_REASONS = {
    "init-code": (
        "the changed code runs only while the kernel or module starts or goes, and cannot be replaced there",
        "leave the change out, put its effect into a pre-patch callback, or mark the function with "
        "KPATCH_IGNORE_FUNCTION when the running kernel does not need it",
    ),
    "no-fentry": (
        "the changed function cannot be hooked: it has no profiling call (notrace, noinstr, or assembler)",
        "move the change into a caller that can be traced",
    ),
}
