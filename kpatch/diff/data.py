"""Changed data: what a running kernel already holds cannot be changed by new code.

Read-only tables that only replaced code can see are copied with it; everything else that
differs is refused, because running code and other objects hold pointers to the old contents.
"""

from __future__ import annotations

from collections.abc import Iterator

from kpatch.diff.compare import Comparer
from kpatch.diff.exports import PREFIXES as EXPORTS
from kpatch.diff.model import Entity, Ref, View
from kpatch.diff.names import base_name, holds_objects, is_init_section
from kpatch.diff.result import Refusal
from kpatch.diff.users import Users
from kpatch.elf import const as c
from kpatch.elf.object import Section

__all__ = ["check_registrations", "find_changed_data"]

_NO_EFFECT = (
    ".comment",
    ".note",
    ".discard",
    ".debug",
    ".rela",
    ".eh_frame",
    ".BTF",
    ".llvm",
    ".gnu",
    ".stab",
    ".printk_index",
    ".sframe",
    ".ctf",
    ".modinfo",
    ".orc_",
    ".group",
    ".kpatch.",
    ".static_call.text",
    "__tracepoints_strings",
    ".symtab",
    ".shstrtab",
    ".strtab",
)

_KINDS = (
    ((".initcall", ".con_initcall", ".exitcall"), "changed-initcall", "an initcall"),
    (("__param", ".init.setup", "__modver"), "changed-param", "a module or kernel parameter"),
)
_REMEDIES = {
    "changed-initcall": "initcalls ran long ago: use a pre-patch or post-patch callback",
    "changed-param": "leave the parameter out: parameters are registered when the kernel or module starts",
    "changed-registration": "the section is read when the kernel or module starts: leave the change out, or name the "
    "section in KPATCH_IGNORE_SECTION when the running kernel does not need it",
    "changed-data": "initial values do not reach a running kernel: set the new value in a callback, use a shadow "
    "variable, or name the section in KPATCH_IGNORE_SECTION",
}


def find_changed_data(comparer: Comparer, users: Users, ignored: set[str]) -> tuple[set[Entity], list[Refusal]]:
    """Constants that can be replaced with the code that reads them, and what must be refused."""
    constants: set[Entity] = set()
    refusals = []
    for patched, original in comparer.twins.original.items():
        if patched.is_function or patched.section.name in ignored or patched.copyable:
            continue
        if not holds_objects(patched.section.name) or _is_same(comparer, original, patched):
            continue
        if _is_constant_table(comparer.p, users, patched) and _is_constant_table(comparer.o, users, original):
            constants.add(patched)
        else:
            refusals.append(_changed_data(original, patched))
    refusals.extend(_anonymous_data(comparer, ignored))
    return constants, sorted(refusals, key=lambda refusal: (refusal.code, refusal.symbol))


def _is_same(comparer: Comparer, a: Entity, b: Entity) -> bool:
    if a.size != b.size:
        return False
    if a.section.type == c.SHT_NOBITS or b.section.type == c.SHT_NOBITS:
        return _is_zero(comparer.o, a) and _is_zero(comparer.p, b)
    return comparer.same_contents(a, b)


def _is_zero(view: View, entity: Entity) -> bool:
    if entity.section.type == c.SHT_NOBITS:
        return True
    body = view.body_of(entity)
    return not body.refs and not any(body.data)


def _changed_data(original: Entity, patched: Entity) -> Refusal:
    what = (
        f"its size changes from {original.size} to {patched.size} bytes"
        if original.size != patched.size
        else ("its initial value changes")
    )
    if is_init_section(original.section.name):
        what += " (data of the start-up code)"
    remedy = _REMEDIES["changed-data"]
    return Refusal("changed-data", original.name, original.section.name, f"data {original.name}: {what}", remedy)


def _anonymous_data(comparer: Comparer, ignored: set[str]) -> Iterator[Refusal]:
    """Writable data without symbols: nobody can tell what it is, so it must not differ."""
    old, new = (_writable_rest(view) for view in (comparer.o, comparer.p))
    for name in sorted(old.keys() | new.keys()):
        if name in ignored:
            continue
        a, b = old.get(name, []), new.get(name, [])
        same = len(a) == len(b) and all(
            comparer.same_body(comparer.o.body(x, 0, x.size), comparer.p.body(y, 0, y.size)) for x, y in zip(a, b)
        )
        if not same:
            message = f"section {name} holds data without symbols, and it differs"
            yield Refusal("changed-data", "", name, message, _REMEDIES["changed-data"])


def _writable_rest(view: View) -> dict[str, list[Section]]:
    found: dict[str, list[Section]] = {}
    for section in view.obj.sections:
        if not section.flags & c.SHF_WRITE or section.type == c.SHT_NOBITS or not section.size:
            continue
        if holds_objects(section.name) and section not in view.in_section:
            found.setdefault(base_name(section.name), []).append(section)
    return found


def check_registrations(comparer: Comparer, ignored: set[str]) -> list[Refusal]:
    """Sections whose mere presence takes effect at link time or at start: they must be equal.

    Exports are a matter of their own (:mod:`kpatch.diff.exports`).
    """
    old, new = (_registrations(view) for view in (comparer.o, comparer.p))
    refusals = []
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name, []), new.get(name, [])
        if name in ignored or (len(a) == len(b) and all(_same_section(comparer, x, y) for x, y in zip(a, b))):
            continue
        code, what = next(
            ((code, what) for prefixes, code, what in _KINDS if name.startswith(prefixes)),
            ("changed-registration", f"section {name}"),
        )
        symbol = _first_symbol(comparer, a, b)
        action = "new" if not a else "removed" if not b else "changed"
        message = f"{what} is {action}" + (f" ({symbol})" if symbol else "")
        refusals.append(Refusal(code, symbol, name, message, _REMEDIES[code]))
    return refusals


def _registrations(view: View) -> dict[str, list[Section]]:
    found: dict[str, list[Section]] = {}
    for section in view.obj.sections:
        name = section.name
        if not section.flags & c.SHF_ALLOC or name.startswith(EXPORTS):
            continue
        if section.is_text or not section.size or view.machine.special(name) or name.startswith(_NO_EFFECT):
            continue
        if holds_objects(section.name) or name in view.machine.fragment_sections:
            continue
        found.setdefault(name, []).append(section)
    return found


def _same_section(comparer: Comparer, a: Section, b: Section) -> bool:
    return a.size == b.size and comparer.same_body(comparer.o.body(a, 0, a.size), comparer.p.body(b, 0, b.size))


def _first_symbol(comparer: Comparer, a: list[Section], b: list[Section]) -> str:
    """The first thing that one side's section refers to and the other's does not."""

    def targets(view: View, sections: list[Section]) -> list[str]:
        bodies = [view.body(section, 0, section.size) for section in sections]
        refs = [ref.target for body in bodies for _, _, ref in body.refs]
        return [target.name for target in refs if isinstance(target, Entity)]

    old, new = targets(comparer.o, a), targets(comparer.p, b)
    return next(iter(sorted(set(old) ^ set(new))), "")


def _is_constant_table(view: View, users: Users, entity: Entity) -> bool:
    """Whether a changed read-only object can be replaced together with all code that reads it."""
    if entity.section.flags & c.SHF_WRITE or not entity.is_local:
        return False
    body = view.readable(entity)
    return (
        body is not None
        and all(_is_value(ref) for _, _, ref in body.refs)
        and entity not in users.elsewhere
        and not any(is_init_section(user.section.name) for user in users.pointers[entity])
    )


def _is_value(ref: Ref) -> bool:
    """Whether a copy of what ``ref`` leads to is as good: a string, a constant, a label."""
    if isinstance(ref.target, Entity):
        return ref.target.is_function and ref.offset != 0
    return ref.kind in ("str", "const")
