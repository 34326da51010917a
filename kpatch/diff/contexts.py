"""How code uses each of several static locals of one name: what tells them apart in a function that changed.

A use is the instruction that refers to the variable and its two neighbours.  Registers, addresses, calls
and what ends a block do not count: they follow from the code around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

from kpatch.arch.machine import Instruction, Machine
from kpatch.diff.model import Body, Entity
from kpatch.diff.names import compiler_number

__all__ = ["used_alike"]

_NOTHING = ""


def used_alike(
    machine: Machine, one: Body, other: Body, theirs: Mapping[Entity, str], ours: Mapping[Entity, str]
) -> Iterator[tuple[Entity, Entity]]:
    """Pairs of namesakes that two versions of a function use in the same way.

    Only where each namesake is used in its own way, each is found on the other side, and they are declared in the
    same order.
    ``theirs`` and ``ours``: the objects in question of the original and the patched side, with their base names.
    """
    left, right = _namesakes(one, theirs), _namesakes(other, ours)
    for base in left.keys() & right.keys():
        if len(left[base]) != len(right[base]) or len(left[base]) == 1:
            continue
        old, new = _uses(machine, one, left[base]), _uses(machine, other, right[base])
        if any(_is_alike(a, b) for uses in (old, new) for a, b in combinations(uses.values(), 2)):
            continue
        pairs = [(a, b) for a in old for b in new if a.size == b.size and _is_alike(old[a], new[b])]
        one_to_one = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(old)
        if one_to_one and _keep_their_order(pairs):
            yield from pairs


def _keep_their_order(pairs: list[tuple[Entity, Entity]]) -> bool:
    """Whether the compiler numbered both sides alike: a patch that exchanges the uses of two is not misread."""
    numbers = [compiler_number(b.name) for _, b in sorted(pairs, key=lambda pair: compiler_number(pair[0].name))]
    return all(a < b for a, b in zip(numbers, numbers[1:]))


def _namesakes(body: Body, among: Mapping[Entity, str]) -> dict[str, set[Entity]]:
    groups: dict[str, set[Entity]] = defaultdict(set)
    for _, _, ref in body.refs:
        if isinstance(ref.target, Entity) and ref.target in among:
            groups[among[ref.target]].add(ref.target)
    return groups


def _uses(machine: Machine, body: Body, entities: set[Entity]) -> dict[Entity, list[str]]:
    """What is around each reference to one of ``entities``, in the order of the code."""
    code = list(machine.disassemble(body.data))
    found: dict[Entity, list[str]] = {entity: [] for entity in entities}
    fields = {at: ref.target for at, _, ref in body.refs}
    for number, (offset, size, _, _) in enumerate(code):
        for at in range(offset, offset + size):
            target = fields.get(at)
            if isinstance(target, Entity) and target in entities:
                around = [code[place] if place < len(code) else None for place in (number - 1, number + 1)]
                found[target] += [_plain(machine, instruction) for instruction in (code[number], *around)]
    return found


def _is_alike(one: list[str], other: list[str]) -> bool:
    """Whether nothing tells two uses apart."""
    return len(one) == len(other) and all(a == b or _NOTHING in (a, b) for a, b in zip(one, other))


def _plain(machine: Machine, instruction: Instruction | None) -> str:
    if instruction is None:
        return _NOTHING
    _, _, mnemonic, operands = instruction
    if machine.syntax.leaves.fullmatch(mnemonic) or mnemonic in machine.syntax.fillers:
        return _NOTHING
    return f"{mnemonic} {machine.syntax.register.sub('reg', operands)}"
