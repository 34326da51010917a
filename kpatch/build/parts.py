"""Vendor match and anchors: the differ's objects become the parts of a module for exactly this kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kpatch.build.anchor import Anchored, Anchorer, anchor_object
from kpatch.build.differences import Diffed
from kpatch.build.match import match_object
from kpatch.build.module import ModuleParts
from kpatch.build.request import BuildRequest
from kpatch.build.sections import AnchorReloc, BuildIdentity, FunctionTable, checksum, first_object, last_object
from kpatch.build.stages import Stages
from kpatch.build.target import Facts
from kpatch.elf.object import ElfObject
from kpatch.kernel.ksymtab import choose_anchors

__all__ = ["Made", "make_parts"]


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
    with stages.stage("6-match"):
        provided = {symbol.name for out in outs for symbol in out.symbols if symbol.bind and not symbol.is_undefined}
        for unit, out in zip(units, outs):
            functions = [function.name for function in unit.diff.changed_functions]
            match = match_object(unit.original, facts.image, facts.symbols, functions=functions)
            anchored.append(anchor_object(out, facts.exports, facts.symbols, match, provided=provided))
            table.add(out, unit.diff.changed_functions, unit.affected.objname, match, anchor_of(out))
    machine = outs[0].machine
    last = last_object(machine, _identity(facts), _modinfo(name, digest, units, request), request.replace, anchor_of)
    return Made(ModuleParts(name, first_object(machine), outs, last, table.count, digest), anchored)


def _anchor_of(facts: Facts, obj: ElfObject) -> AnchorReloc:
    return Anchorer(obj, choose_anchors(facts.exports, facts.symbols), facts.symbols).reloc


def _identity(facts: Facts) -> BuildIdentity:
    image = facts.image
    return BuildIdentity(
        image.uts_release, image.uts_version, image.build_id or b"", image.notes_address, len(image.notes)
    )


def _modinfo(name: str, digest: str, units: Sequence[Diffed], request: BuildRequest) -> dict[str, str]:
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
