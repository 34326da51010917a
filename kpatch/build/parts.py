"""Vendor match and anchors: the differ's objects become the parts of a module for exactly this kernel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from kpatch.arch.registry import machine_of
from kpatch.build.anchor import Anchored, Anchorer, anchor_object
from kpatch.build.constants import add_constants
from kpatch.build.differences import Diffed
from kpatch.build.inmodule import ModuleCode, match_module
from kpatch.build.landing import check_landing_pads
from kpatch.build.loadtime import settle_load_time
from kpatch.build.match import match_object
from kpatch.build.module import ModuleParts
from kpatch.build.moduletables import add_relocs, objects_object
from kpatch.build.request import BuildRequest
from kpatch.build.sections import AnchorReloc, BuildIdentity, FunctionTable, checksum, first_object, last_object
from kpatch.build.stages import Stages
from kpatch.build.target import Facts
from kpatch.diff.author import CALLBACK_SIZE, CALLBACKS
from kpatch.elf.object import ElfObject
from kpatch.errors import Unpatchable
from kpatch.kernel.ksymtab import choose_anchors
from kpatch.kernel.modules import Modules
from kpatch.log import logger

__all__ = ["Made", "check_callbacks", "make_parts"]


@dataclass(frozen=True)
class Made:
    """The module's ``parts``, and what became of the references of each unit, in order."""

    parts: ModuleParts
    anchored: Sequence[Anchored]


def make_parts(name: str, units: Sequence[Diffed], request: BuildRequest, facts: Facts, stages: Stages) -> Made:
    """Every reference of the changed objects becomes one that this kernel resolves.

    Raises :class:`MismatchError` when the original is not what the vendor shipped.
    """
    outs = [unit.diff.out for unit in units if unit.diff.out is not None]
    digest = checksum([out.to_bytes() for out in outs])
    anchor_of = partial(_anchor_of, facts)
    table = FunctionTable()
    anchored = []
    check_callbacks(units)
    with stages.stage("6-match"):
        for unit, out in zip(units, outs):
            provided = _provided(unit, units)
            functions = [function.name for function in unit.diff.changed_functions]
            if unit.affected.objname == "vmlinux":
                match = match_object(unit.original, facts.image, facts.symbols, functions=functions)
                add_constants(unit.original, match, facts.symbols)
                check_landing_pads(unit.diff.address_taken, match, facts.image, facts.symbols, unit.affected.path)
                anchored.append(anchor_object(out, facts.exports, facts.symbols, match, provided=provided))
                table.add(out, unit.diff.changed_functions, "vmlinux", match, anchor_of(out))
            else:
                check_landing_pads(unit.diff.address_taken, None, facts.image, facts.symbols, unit.affected.path)
                anchored.append(_resolve_in_module(unit, out, facts, table, provided))
        _check_dependencies(units, anchored)
        if request.interface == "livepatch":
            _check_ranks(units, anchored, facts.modules)
        named = {unit.affected.objname for unit in units} | {s.module for each in anchored for s in each.in_modules}
        objects = objects_object(outs[0].machine, sorted(named - {"vmlinux"}), facts.modules)
    machine = outs[0].machine
    # Another file of a module may import for all of them; each hot patch must do so itself.
    imports = sorted({namespace for each in anchored for namespace in each.namespaces})
    info = [*_modinfo(name, units, request).items(), *(("import_ns", namespace) for namespace in imports)]
    last = last_object(machine, _identity(facts), info, request.replace, anchor_of)
    parts = ModuleParts(name, first_object(machine), [*outs, objects], last, table.count, digest)
    return Made(parts, anchored)


def _resolve_in_module(
    unit: Diffed, out: ElfObject, facts: Facts, table: FunctionTable, provided: Collection[str]
) -> Anchored:
    """Match and resolve one object of a module; ``out`` gets the tables that the core reads."""
    objname, changed = unit.affected.objname, unit.diff.changed_functions
    code = ModuleCode(objname, facts.modules, facts.exports, facts.symbols)
    sealed = sorted(name for name in unit.diff.address_taken if code.image.is_sealed(name))
    if sealed:
        raise Unpatchable(
            f"{unit.affected.path}: the patch takes the address of {', '.join(sealed)}, which nothing in {objname} "
            "did before: the kernel removes its landing pad (ENDBR), and a call through the pointer would be fatal",
            "point to a small function of the patch that calls it directly",
        )
    match = match_module(unit.original, code.image, [function.name for function in changed])
    anchored, places = code.resolve(out, unit.original, match, provided)
    machine = machine_of(out.machine)
    assert machine is not None
    settled = settle_load_time(out, machine, places)
    for warning in settled.warnings:
        logger.warning("warning: %s: %s", unit.affected.path, warning)
    if settled.failures:
        raise Unpatchable(
            f"{unit.affected.path}: the kernel would need these symbols when it loads the hot patch, and the module "
            f"may not be there yet: {'; '.join(settled.failures)}",
            "change the patch so that the new code does without them",
        )
    add_relocs(out, objname, settled.places)
    table.add(out, changed, objname, match, None)
    return anchored


def _provided(unit: Diffed, units: Sequence[Diffed]) -> set[str]:
    """What the objects of the patch define for ``unit``.

    Code of a module is not whole before that module is there, so others may not enter it.
    """
    return {
        symbol.name
        for other in units
        if other.diff.out is not None and other.affected.objname in ("vmlinux", unit.affected.objname)
        for symbol in other.diff.out.symbols
        if symbol.bind and not symbol.is_undefined
    }


def check_callbacks(units: Sequence[Diffed]) -> None:
    """Callbacks go with the switch of their object: without a changed function there is none to call them.

    Of each kind an object has one (kmod/patch/kpatch-verify.h).
    """
    switched = {unit.affected.objname for unit in units if unit.diff.changed_functions}
    known: set[tuple[str, str]] = set()
    for unit in units:
        objname = unit.affected.objname
        for section in unit.diff.out.sections if unit.diff.out else []:
            if not section.name.startswith(CALLBACKS):
                continue
            kind = section.name[len(CALLBACKS) :]
            if objname not in switched:
                raise Unpatchable(
                    f"{unit.affected.path}: its callbacks would never be called: no function of {objname} changes",
                    "change a function of the same object, too, or put the callbacks where one changes",
                )
            if (objname, kind) in known or section.size > CALLBACK_SIZE:
                raise Unpatchable(
                    f"{unit.affected.path}: {objname} would have a second {kind} callback",
                    "an object has one of each kind: let it call the other function",
                )
            known.add((objname, kind))


def _check_dependencies(units: Sequence[Diffed], anchored: Sequence[Anchored]) -> None:
    """Code of the kernel may use a module's exports by having it loaded first, but not those of a patched one."""
    patched = {unit.affected.objname for unit in units}
    for unit, each in zip(units, anchored):
        both = sorted(each.modules & patched)
        if both:
            raise Unpatchable(
                f"{unit.affected.path} uses what {', '.join(both)} exports, and the patch changes that module, too",
                "make two patches of it: one for the module, one for the kernel",
            )


def _check_ranks(units: Sequence[Diffed], anchored: Sequence[Anchored], modules: Modules) -> None:
    """livepatch counts namesakes in a coming module before, and in a present one after their memory is freed."""
    named = {(symbol.module, symbol.name) for each in anchored for symbol in each.in_modules}
    for unit in units:
        if unit.affected.objname != "vmlinux":
            named |= {(unit.affected.objname, function.name) for function in unit.diff.changed_functions}
    doubtful = sorted(name for module, name in named if name in modules.get(module).passing)
    if doubtful:
        raise Unpatchable(
            f"livepatch cannot tell which symbol is meant by {', '.join(doubtful)}: init code has one of that name",
            "build the patch for the core module (leave out --interface livepatch)",
        )


def _anchor_of(facts: Facts, obj: ElfObject) -> AnchorReloc:
    return Anchorer(obj, choose_anchors(facts.exports, facts.symbols), facts.symbols).reloc


def _identity(facts: Facts) -> BuildIdentity:
    image = facts.image
    return BuildIdentity(
        image.uts_release, image.uts_version, image.build_id or b"", image.notes_address, len(image.notes)
    )


def _modinfo(name: str, units: Sequence[Diffed], request: BuildRequest) -> dict[str, str]:
    """What the module says about itself, beside what the glue says for every module."""
    functions = [function.name for unit in units for function in unit.diff.changed_functions if function.redirected]
    info = {
        "kpatch_name": name,
        "kpatch_kernel": request.kernel_release,
        "kpatch_replace": "1" if request.replace else "0",
        "description": request.description or f"hot patch {name}: {', '.join(functions)}",
    }
    if request.cves:
        info["kpatch_cves"] = ",".join(request.cves)
    if request.version:
        info["kpatch_version"] = request.version
    return info
