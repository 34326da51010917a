"""Correlation: which function or object of the patched side is which one of the original.

Levels, surest first: equal names; compiler-numbered functions by contents; static locals by
the places that refer to them.  Where two could be meant, nothing is paired and the object is
remembered as ambiguous: code that needs it is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kpatch.diff.compare import Twins
from kpatch.diff.contexts import used_alike
from kpatch.diff.model import Body, Entity, View
from kpatch.diff.names import base_name, has_compiler_number

__all__ = ["correlate"]


def correlate(original: View, patched: View) -> tuple[Twins, set[Entity]]:
    """The pairing, and the objects of the patched side that could be one of several originals."""
    twins = Twins()
    _pair_named(original.functions, patched.functions, twins)
    _pair_named(original.objects, patched.objects, twins)
    _pair_numbered_functions(original, patched, twins)
    _pair_static_locals(original, patched, twins)
    return twins, _pair_leftovers(original, patched, twins)


def _names(entity: Entity) -> list[str]:
    return [symbol.name for symbol in entity.aliases]


def _pair_named(originals: Iterable[Entity], patcheds: Iterable[Entity], twins: Twins) -> None:
    """Pair what has a name of its own: one on each side, without a number of the compiler's."""
    by_name: dict[str, list[Entity]] = defaultdict(list)
    for entity in originals:
        for name in _names(entity):
            by_name[name].append(entity)
    count: dict[str, int] = defaultdict(int)
    patcheds = list(patcheds)
    for entity in patcheds:
        for name in _names(entity):
            count[name] += 1
    numbered = {base_name(name) for name in (*by_name, *count) if has_compiler_number(name)}
    for entity in patcheds:
        for name in _names(entity):
            found = by_name.get(name, [])
            if len(found) != 1 or count[name] != 1 or has_compiler_number(name) or entity.copyable:
                continue
            if "." in name and name in numbered:
                continue  # clang leaves the number off the first one: f.count, f.count.1
            if found[0] not in twins.patched and entity not in twins.original:
                twins.pair(found[0], entity)


def _groups(entities: Iterable[Entity], taken: dict[Entity, Entity]) -> dict[str, list[Entity]]:
    groups: dict[str, list[Entity]] = defaultdict(list)
    for entity in entities:
        if entity not in taken:
            groups[base_name(entity.name)].append(entity)
    return groups


def _pair_numbered_functions(original: View, patched: View, twins: Twins) -> None:
    """Pair ``foo.constprop.1`` and the like: a lone pair, else equal code, else equal names, else what is left.

    A wrong choice makes more functions count as changed, never fewer: a caller is unchanged
    only if it calls the twin of what it called.
    """
    rest = _groups(original.functions, twins.patched)
    for base, ours in _groups(patched.functions, twins.original).items():
        theirs = rest.get(base, [])
        _pair_lone(theirs, ours, twins)
        for same in (_same_shape, lambda a, b: a.name == b.name):
            for entity in _free(ours, twins.original):
                match = [other for other in _free(theirs, twins.patched) if same(other, entity)]
                if len(match) == 1:
                    twins.pair(match[0], entity)
        _pair_in_order(theirs, ours, twins)
        _pair_lone(theirs, ours, twins)


def _free(entities: list[Entity], taken: dict[Entity, Entity]) -> list[Entity]:
    return [entity for entity in entities if entity not in taken]


def _pair_lone(theirs: list[Entity], ours: list[Entity], twins: Twins) -> None:
    """Pair what is left, when it is one on each side."""
    originals, patcheds = _free(theirs, twins.patched), _free(ours, twins.original)
    if len(originals) == len(patcheds) == 1:
        twins.pair(originals[0], patcheds[0])


def _pair_in_order(theirs: list[Entity], ours: list[Entity], twins: Twins) -> None:
    """Pair as they follow each other what has one name and one code (``ld -r`` joins copies of inline functions)."""

    def alike(entities: list[Entity], taken: dict[Entity, Entity]) -> dict[tuple[str, bytes], list[Entity]]:
        groups: dict[tuple[str, bytes], list[Entity]] = defaultdict(list)
        for entity in entities:
            if entity not in taken:
                groups[entity.name, entity.section.data[entity.start : entity.end]].append(entity)
        return groups

    rest = alike(theirs, twins.patched)
    for key, mine in alike(ours, twins.original).items():
        if len(rest.get(key, ())) == len(mine):
            for original, patched in zip(rest[key], mine):
                twins.pair(original, patched)


def _same_shape(a: Entity, b: Entity) -> bool:
    """Whether the same bytes stand in both; where they lead is not asked."""
    return a.section.data[a.start : a.end] == b.section.data[b.start : b.end]


def _numbered(entities: Iterable[Entity], taken: dict[Entity, Entity]) -> dict[Entity, str]:
    """The unpaired objects whose identity matters, with their base names."""
    return {entity: base_name(entity.name) for entity in entities if entity not in taken and not entity.copyable}


def _pair_static_locals(original: View, patched: View, twins: Twins) -> None:
    """Pair static locals by the code and data that refer to them, until nothing more is found.

    First those that begin with the same value: code may have come to use another one of that name.
    """
    pairs = [(a, b) for b, a in twins.original.items()]
    while pairs:
        ours, theirs = _numbered(patched.objects, twins.original), _numbered(original.objects, twins.patched)
        if not ours or not theirs:
            return
        votes = _evidence(original, patched, pairs, theirs, ours)
        found = _agreed({(a, b) for a, b in votes if _same_shape(a, b)}) or _agreed(votes)
        for a, b in found:
            twins.pair(a, b)
        if not found:
            return
        pairs = pairs + found


def _evidence(
    original: View,
    patched: View,
    pairs: list[tuple[Entity, Entity]],
    theirs: dict[Entity, str],
    ours: dict[Entity, str],
) -> set[tuple[Entity, Entity]]:
    """Who could be whom, told by each paired function or object that refers to both."""
    votes: set[tuple[Entity, Entity]] = set()
    for a, b in pairs:
        one, other = original.readable(a), patched.readable(b)
        if one is None or other is None or not one.refs or not other.refs:
            continue
        if len(one.refs) == len(other.refs) and one.data == other.data:
            votes.update(_by_position(one, other, theirs, ours))
        else:
            votes.update(_by_name(one, other, theirs, ours))
            if a.is_function:
                votes.update(used_alike(original.machine, one, other, theirs, ours))
    return votes


def _by_position(
    one: Body, other: Body, theirs: dict[Entity, str], ours: dict[Entity, str]
) -> Iterable[tuple[Entity, Entity]]:
    for (_, _, a), (_, _, b) in zip(one.refs, other.refs):
        if a.kind == b.kind == "entity" and isinstance(a.target, Entity) and isinstance(b.target, Entity):
            base = theirs.get(a.target)
            if base is not None and base == ours.get(b.target) and a.target.size == b.target.size:
                yield a.target, b.target


def _by_name(
    one: Body, other: Body, theirs: dict[Entity, str], ours: dict[Entity, str]
) -> Iterable[tuple[Entity, Entity]]:
    left, right = _referred(one, theirs), _referred(other, ours)
    for base, mine in right.items():
        candidates = left.get(base, [])
        if len(mine) == len(candidates) == 1:
            yield candidates[0], mine[0]


def _referred(body: Body, among: dict[Entity, str]) -> dict[str, list[Entity]]:
    groups: dict[str, list[Entity]] = defaultdict(list)
    for _, _, ref in body.refs:
        if isinstance(ref.target, Entity) and ref.target in among and ref.target not in groups[among[ref.target]]:
            groups[among[ref.target]].append(ref.target)
    return groups


def _agreed(votes: set[tuple[Entity, Entity]]) -> list[tuple[Entity, Entity]]:
    """The votes that no other vote contradicts."""
    of_original: dict[Entity, set[Entity]] = defaultdict(set)
    of_patched: dict[Entity, set[Entity]] = defaultdict(set)
    for a, b in votes:
        of_original[a].add(b)
        of_patched[b].add(a)
    agreed = [(a, b) for a, b in votes if len(of_original[a]) == len(of_patched[b]) == 1]
    return sorted(agreed, key=lambda pair: (pair[1].name, pair[1].section.name))


def _pair_leftovers(original: View, patched: View, twins: Twins) -> set[Entity]:
    """Pair a lone rest of one name, which moved with inlined code; more than one is ambiguous."""
    theirs: dict[str, list[Entity]] = defaultdict(list)
    for entity, base in _numbered(original.objects, twins.patched).items():
        theirs[base].append(entity)
    ours: dict[str, list[Entity]] = defaultdict(list)
    for entity, base in _numbered(patched.objects, twins.original).items():
        ours[base].append(entity)
    ambiguous: set[Entity] = set()
    users = _Users(original), _Users(patched)
    for base, mine in ours.items():
        candidates = theirs.get(base, [])
        lone = len(mine) == len(candidates) == 1 and mine[0].size == candidates[0].size
        if lone and _moved_with_code(users, twins, candidates[0], mine[0]):
            twins.pair(candidates[0], mine[0])
        elif candidates:
            ambiguous.update(mine)
    return ambiguous


class _Users:
    """The functions and objects that refer to others in one object; read when first asked for."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._users: dict[Entity, set[Entity]] | None = None

    def of(self, wanted: Iterable[Entity]) -> set[Entity]:
        """Who refers to one of ``wanted``."""
        if self._users is None:
            self._users = self._read()
        return {user for entity in wanted for user in self._users.get(entity, ())}

    def _read(self) -> dict[Entity, set[Entity]]:
        users: dict[Entity, set[Entity]] = defaultdict(set)
        for entity in (*self._view.functions, *self._view.objects):
            body = self._view.readable(entity)
            for _, _, ref in body.refs if body is not None else ():
                if isinstance(ref.target, Entity):
                    users[ref.target].add(entity)
        return users


def _moved_with_code(users: tuple[_Users, _Users], twins: Twins, a: Entity, b: Entity) -> bool:
    """Whether code that refers to ``b`` can be the code that referred to ``a``.

    It is one function, or inlining made one of two: the one calls the other on the other side.
    """
    old, new = users[0].of([a]), users[1].of([b])
    if any(function in twins.patched and twins.patched[function] in new for function in old):
        return True
    became = {twins.original[function] for function in new if function in twins.original}
    was = {twins.patched[function] for function in old if function in twins.patched}
    return bool(users[0].of(old) & became or users[1].of(new) & was)
