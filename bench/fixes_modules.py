"""Fixes of files that belong to modules: a sample of them, through the whole of kpatch-build as all others."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from kpatch.kernel.modules import module_name
from tests.vm.kernels import StockKernel

__all__ = ["MEANINGS", "count", "pick", "shipped_modules"]

_COUNT = 80
_SEED = 6

MEANINGS = {
    "fixes.modules.tried": "changed files of modules, of those picked by seed, that compile alone and change code",
    "fixes.modules.built": "of these, became a hot patch module",
    "fixes.modules.refused": "of these, refused with the reason",
    "fixes.modules.failed": "of these, ended in anything else, or in a module with a wrong reference",
    "fixes.modules.built_percent": "fixes.modules.built of fixes.modules.tried, in percent",
    "fixes.modules.need_header": "files of the sample that do not compile without the change of a header; not tried",
    "fixes.modules.unchanged": "files of the sample that compile to the same code",
    "fixes.modules.references": "references of the built modules, each resolved back and compared",
    "fixes.modules.wrong_references": "of these, not what the patched object says",
}


class Outcome(Protocol):
    """What became of one changed file."""

    kind: str
    references: int
    faults: list[str]


def pick(names: Sequence[str]) -> list[str]:
    """The sample of the files called ``names``."""
    return random.Random(_SEED).sample(names, min(_COUNT, len(names)))


def shipped_modules(kernel: StockKernel) -> dict[str, Path]:
    """The modules of an unpacked kernel by name."""
    return {module_name(path): path for path in sorted(kernel.modules_dir.rglob("*.ko*"))}


def count(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """The figures of the sample."""
    outcomes = list(outcomes)
    found = Counter(outcome.kind for outcome in outcomes)
    tried = found["built"] + found["refused"] + found["failed"]
    counts = {kind: found[kind] for kind in ("built", "refused", "failed", "need_header", "unchanged")}
    figures: dict[str, float] = {
        "tried": tried,
        **counts,
        "built_percent": round(100 * found["built"] / max(tried, 1), 1),
        "references": sum(outcome.references for outcome in outcomes),
        "wrong_references": sum(len(outcome.faults) for outcome in outcomes),
    }
    return {f"fixes.modules.{key}": value for key, value in figures.items()}
