"""References by a section and an offset that may mean either of two neighbours.

The assembler writes section symbol plus offset for local variables.  Where several share a section
(``__read_mostly``, per-CPU), ``table + 4`` is the end of ``table`` in a loop as well as the next variable, and
``table - 8`` under an index register lies in the one before.  It does not matter which one is meant when both
lie as far apart in the running kernel.
"""

from __future__ import annotations

from kpatch.diff.compare import Twins
from kpatch.diff.model import Entity, Ref, View
from kpatch.diff.names import is_not_identity
from kpatch.diff.outobject import Copied
from kpatch.elf.object import Reloc

__all__ = ["other_meaning"]

_SCALAR = 8
"""Bytes: what is no larger is no array, so nothing is indexed in it and no loop ends behind it."""


def other_meaning(view: View, twins: Twins, copied: Copied, reloc: Reloc, ref: Ref) -> Entity | None:
    """The object that ``reloc`` of what is copied may mean besides ``ref``; None if it is all one."""
    target = ref.target
    if not isinstance(target, Entity) or target.is_function or reloc.symbol in view.of_symbol:
        return None
    neighbours = view.in_section[target.section]
    if len(neighbours) == 1:
        return None
    section, start = copied.section, copied.start
    addressing = view.machine.addressing(section.data, start, reloc.offset) if section.is_text else "address"
    if addressing == "direct":
        return None
    odd = addressing == "indexed" and target.size <= _SCALAR
    number = neighbours.index(target)
    other = None
    if ref.offset == 0 and number and neighbours[number - 1].end == target.start:
        before = neighbours[number - 1]
        other = before if odd or (_is_walked(view, copied, before) and not _is_only_one(view, target)) else None
    elif (odd and ref.offset) or ref.offset >= target.size:
        other = neighbours[number + 1] if number + 1 < len(neighbours) else None
    return other if other is not None and not _keep_their_distance(twins, target, other) else None


def _is_walked(view: View, copied: Copied, table: Entity) -> bool:
    """Whether the code or data around uses ``table``, too, which may be an array."""
    if table.size <= _SCALAR or is_not_identity(table.name):
        return False
    refs = view.body(copied.section, copied.start, copied.stop).refs
    return any(ref.target is table for _, _, ref in refs)


def _is_only_one(view: View, target: Entity) -> bool:
    """Whether nothing else refers to ``target``: no compiler keeps a local variable that nothing refers to."""
    bodies = (view.readable(entity) for entity in (*view.functions, *view.objects))
    found = sum(ref.target is target for body in bodies if body is not None for _, _, ref in body.refs)
    return target.is_local and found == 1


def _keep_their_distance(twins: Twins, a: Entity, b: Entity) -> bool:
    """Whether both lie in the running kernel as they lie here."""
    one, other = twins.original.get(a), twins.original.get(b)
    if one is None or other is None:
        return False
    return one.section is other.section and other.start - one.start == b.start - a.start
