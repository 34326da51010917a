"""Types whose objects old and new code would read differently.

Objects that exist when the patch is applied were made by the old code, and code that is not patched
goes on making such ones.  So nothing about a type that has a name in both compilations may change;
not even a new member in what was padding is sound, because nobody has initialised it.
"""

from __future__ import annotations

from collections.abc import Collection

from kpatch.diff.result import Refusal
from kpatch.elf.layouts import Layout, Layouts, Member

__all__ = ["compare_layouts"]

_REMEDY = (
    "keep the type as it is and put new members into a shadow variable (kpatch_shadow_alloc), or, when no object of "
    "the type outlives the patched functions, or the place is zeroed by all who make one, say --allow-layout TYPE"
)
_ENUM_REMEDY = (
    "add new constants at the end, with values that are not in use, or say --allow-layout NAME when no other code "
    "knows the value"
)


def compare_layouts(old: Layouts, new: Layouts, allowed: Collection[str] = ()) -> list[Refusal]:
    """A refusal for each type and each constant that changed and is not ``allowed`` (by name, tag word or not)."""
    refusals = []
    for name in sorted(old.types.keys() & new.types.keys()):
        what = _difference(old.types[name], new.types[name])
        if what and not {name, name.partition(" ")[2]} & {*allowed}:
            refusals.append(Refusal("changed-layout", name, "", f"the layout of {name} changes: {what}", _REMEDY))
    for name in sorted(old.constants.keys() & new.constants.keys()):
        before, after = old.constants[name], new.constants[name]
        if before != after and name not in allowed:
            message = f"the value of the enum constant {name} changes from {before} to {after}"
            refusals.append(Refusal("changed-layout", name, "", message, _ENUM_REMEDY))
    return refusals


def _difference(old: Layout, new: Layout) -> str:
    """The first thing that is not the same, in words; "" for equal layouts."""
    if old == new:
        return ""
    size = f", size {old.size} to {new.size} bytes" if old.size != new.size else ""
    before, after = ({member.name: member for member in layout.members} for layout in (old, new))
    for member in new.members:
        if member.name not in before:
            where = "" if size else " in what was padding"
            return f"new member {member.name or '(unnamed)'} at {_place(member)}{where}{size}"
    for member in old.members:
        if member.name not in after:
            return f"member {member.name or '(unnamed)'} is gone{size}"
        other = after[member.name]
        if other.offset != member.offset:
            return f"member {member.name} moves from {_place(member)} to {_place(other)}{size}"
        if other.size != member.size:
            return f"member {member.name} takes {other.size} bits instead of {member.size}{size}"
    return size[2:] or "its members"


def _place(member: Member) -> str:
    byte, bit = divmod(member.offset, 8)
    return f"byte {byte}" + (f", bit {bit}" if bit else "")
