"""The differ: a flat list of passes over (original, patched, out).

Pure: no processes, no files, no network.  The same two objects give the same out object, bit
for bit.
"""

from __future__ import annotations

from collections.abc import Collection

from kpatch.arch.machine import Machine
from kpatch.arch.registry import machine_of
from kpatch.diff.aliases import check_aliases
from kpatch.diff.author import Wishes, read_wishes
from kpatch.diff.changes import Changes, find_changes
from kpatch.diff.compare import Comparer
from kpatch.diff.correlate import correlate
from kpatch.diff.data import check_registrations, find_changed_data
from kpatch.diff.exports import check_exports
from kpatch.diff.hooks import list_profiling_calls
from kpatch.diff.include import Inclusion
from kpatch.diff.model import Entity, View
from kpatch.diff.modinfo import carry_namespaces
from kpatch.diff.prototypes import check_prototypes
from kpatch.diff.result import ChangedFunction, DiffResult, Refusal
from kpatch.diff.special import SpecialTables
from kpatch.diff.users import Users
from kpatch.elf.object import ElfObject, Symbol
from kpatch.errors import BadInput, Unpatchable

__all__ = ["diff_objects"]

_NEW_LAYOUT = "report the object: this kernel has a new layout of the section"


def diff_objects(
    original: ElfObject, patched: ElfObject, *, objname: str = "vmlinux", wanted: Collection[str] = ()
) -> DiffResult:
    """Compare two compilations of one source file.

    ``objname`` is ``vmlinux`` or the name of the module that the object belongs to; ``wanted``
    names new global symbols that other objects of the same patch refer to.  Raises
    :class:`BadInput` for a damaged object or for two that do not belong together; everything
    that cannot be done soundly is in ``refusals`` of the result, never an exception.
    """
    machine = _machine(original, patched)
    result = DiffResult(objname=objname)
    try:
        _diff(original, patched, machine, result, wanted)
    except Unpatchable as error:
        remedy = error.hint or "leave this part of the change out"
        result.refusals.append(Refusal("not-understood", "", "", error.message, remedy))
    if result.refusals:
        result.status, result.out = "refused", None
    return result


def _machine(original: ElfObject, patched: ElfObject) -> Machine:
    if (original.machine, original.order) != (patched.machine, patched.order):
        raise BadInput("the original and the patched object are for different machines", "build both alike")
    for obj in (original, patched):
        if any(symbol.name == "__gnu_lto_slim" for symbol in obj.symbols):
            raise BadInput(f"{obj.path} holds no machine code, but what gcc -flto leaves", "compile without -flto")
    machine = machine_of(original.machine)
    if machine is None:
        raise BadInput(f"objects of machine {original.machine} are not supported", "supported: x86_64")
    return machine


def _diff(
    original: ElfObject, patched: ElfObject, machine: Machine, result: DiffResult, wanted: Collection[str]
) -> None:
    o, p = View(original, machine), View(patched, machine)
    wishes = read_wishes(p)
    twins, ambiguous = correlate(o, p)
    comparer = Comparer(SpecialTables(o), SpecialTables(p), twins)
    users = Users(comparer.tables[0]), Users(comparer.tables[1])
    constants, refusals = find_changed_data(comparer, users[1], wishes.ignored_sections)
    comparer.changed_constants = constants
    refusals += check_registrations(comparer, wishes.ignored_sections)
    refusals += [*check_prototypes(comparer, users), *check_aliases(comparer)]
    check_exports(o, p, wishes.ignored_sections, result)
    changes = find_changes(comparer, users, wishes.ignored_functions)
    result.refusals += refusals + changes.refusals + _unreadable(comparer, changes) + _unknown(comparer, changes)
    inclusion = Inclusion(comparer, users[0], changes, ambiguous, result)
    if not (changes.changed or result.refusals or _has_new_callbacks(comparer, wishes) or inclusion.wanted(wanted)):
        return
    result.status = "changed"
    out = inclusion.run(wishes.callbacks, wanted)
    _list_functions(comparer, changes, inclusion.symbols, wishes, result)
    generated = list_profiling_calls(out, machine)
    if generated:
        result.special["__mcount_loc"] = generated
    carry_namespaces(p, out)
    result.out = out


def _has_new_callbacks(comparer: Comparer, wishes: Wishes) -> bool:
    """Whether the original object lacks one of the author's callback tables, or has another one."""
    pairs = ((comparer.o.obj.section(section.name), section) for section in wishes.callbacks)
    return any(other is None or not comparer.same_section(other, section) for other, section in pairs)


def _unreadable(comparer: Comparer, changes: Changes) -> list[Refusal]:
    """Changed functions that the differ could not understand."""
    refusals = []
    for entity, error in comparer.p.unreadable.items():
        if entity in changes.changed or entity not in comparer.twins.original:
            remedy = error.hint or "leave this part of the change out"
            refusals.append(Refusal("not-understood", entity.name, entity.section.name, error.message, remedy))
    return refusals


def _unknown(comparer: Comparer, changes: Changes) -> list[Refusal]:
    """Special sections of a new layout: nobody can tell which entries belong to the changed functions."""
    refusals = []
    for section, error in comparer.tables[1].unknown.items():
        other = comparer.o.obj.section(section.name)
        if not changes.changed and other is not None and comparer.same_section(other, section):
            continue
        refusals.append(Refusal("unknown-layout", "", section.name, error.message, error.hint or _NEW_LAYOUT))
    return refusals


def _list_functions(
    comparer: Comparer, changes: Changes, symbols: dict[Entity, Symbol], wishes: Wishes, result: DiffResult
) -> None:
    for function in comparer.p.functions:
        if function not in changes.changed:
            continue
        original = comparer.twins.original[function]
        result.changed_functions.append(
            ChangedFunction(
                original.name,
                original.size,
                function.size,
                symbols[function].name,
                redirected=function not in changes.parts,
                force=function.name in wishes.forced,
            )
        )
    for part in changes.gone_parts:
        result.changed_functions.append(ChangedFunction(part.name, part.size, 0, "", redirected=False))
