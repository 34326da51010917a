"""What the differ says about the compiled pairs: the changed ones, or every refusal in one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kpatch.build.affected import Affected
from kpatch.build.pairs import Compiled
from kpatch.build.stages import Stages
from kpatch.build.together import Pair, diff_together
from kpatch.diff.result import DiffResult, Refusal
from kpatch.elf.object import ElfObject
from kpatch.errors import Unchanged, Unpatchable
from kpatch.log import logger

__all__ = ["Diffed", "diff_pairs", "only_changed", "refuse", "warn_of_interface"]


@dataclass(frozen=True)
class Diffed:
    """One object with what changes in it; ``original`` is its compilation from the kernel's source."""

    affected: Affected
    original: ElfObject
    diff: DiffResult


def diff_pairs(compiled: Sequence[Compiled], stages: Stages) -> list[Diffed]:
    """The result for each pair. Raises :class:`Unpatchable` with the refusals of all of them."""
    with stages.stage("5-diff") as directory:
        pairs = [
            Pair(ElfObject.read(item.original), ElfObject.read(item.patched), item.affected.objname)
            for item in compiled
        ]
        results = diff_together(pairs)
        for item, result in zip(compiled, results):
            for warning in result.warnings:
                logger.warning("warning: %s: %s", item.affected.path, warning)
            if result.out is not None:
                (directory / item.patched.name).write_bytes(result.out.to_bytes())
    units = [Diffed(item.affected, pair.original, result) for item, pair, result in zip(compiled, pairs, results)]
    refuse([(unit.affected.path, refusal) for unit in units for refusal in unit.diff.refusals])
    return units


def refuse(refusals: Sequence[tuple[str, Refusal]]) -> None:
    """Raise :class:`Unpatchable` with all of ``refusals``, each with the path of its object; none: return."""
    if refusals:
        lines = dict.fromkeys(f"{path}: {refusal.message} [{refusal.code}]" for path, refusal in refusals)
        remedies = dict.fromkeys(refusal.remedy for _, refusal in refusals)
        raise Unpatchable("\n  ".join(("this change cannot be hot patched:", *lines)), "; ".join(remedies))


def only_changed(units: Sequence[Diffed]) -> list[Diffed]:
    """The units in which code changes. Raises :class:`Unchanged` when there is none."""
    changed = [unit for unit in units if unit.diff.out is not None]
    if not changed:
        raise Unchanged(
            f"{', '.join(unit.affected.path for unit in units)}: the patch changes no compiled code",
            "there is nothing to patch",
        )
    for unit in changed:
        if "," in unit.affected.objname:
            raise Unpatchable(
                f"{', '.join(unit.affected.reasons)} cannot be hot patched: {unit.affected.path} is linked into "
                + unit.affected.objname.replace(",", " and "),
                "objects that several modules share are not supported yet",
            )
    return changed


def warn_of_interface(interface: str, diffs: Sequence[DiffResult]) -> None:
    """Say what the author asked for and livepatch does not do (docs/module-format.md)."""
    forced = [function.name for diff in diffs for function in diff.changed_functions if function.force]
    if interface == "livepatch" and forced:
        logger.warning("warning: livepatch waits until nobody is in %s: it knows no force", ", ".join(forced))
