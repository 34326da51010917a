"""Diffs the objects of one patch together: what is new in one may only be needed by another.

The differ sees one pair at a time, and leaves out a new global function that nothing in its own
object uses.  So the objects are compared again, now asked for what the others refer to, until
nothing is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kpatch.diff.api import diff_objects
from kpatch.diff.result import DiffResult
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject

__all__ = ["Pair", "diff_together"]


@dataclass(frozen=True)
class Pair:
    """Two compilations of one source file; ``objname``: ``vmlinux`` or the name of the module."""

    original: ElfObject
    patched: ElfObject
    objname: str = "vmlinux"


def diff_together(pairs: Sequence[Pair]) -> list[DiffResult]:
    """The result of each pair, in order. Raises :class:`kpatch.errors.BadInput` for a damaged object."""
    new = [_globals(pair.patched) - _globals(pair.original) for pair in pairs]
    asked: list[set[str]] = [set() for _ in pairs]
    results = [diff_objects(pair.original, pair.patched, objname=pair.objname) for pair in pairs]
    while True:
        # A name that another object provides is no reason to look for it here.
        missing = set().union(*map(_undefined, results)) - set().union(*map(_defined, results))
        todo = [at for at, names in enumerate(new) if names & missing - asked[at]]
        if not todo:
            return results
        for at in todo:
            asked[at] |= new[at] & missing
            pair = pairs[at]
            results[at] = diff_objects(pair.original, pair.patched, objname=pair.objname, wanted=sorted(asked[at]))


def _globals(obj: ElfObject) -> set[str]:
    """What ``obj`` defines for others."""
    return {symbol.name for symbol in obj.symbols if symbol.bind != c.STB_LOCAL and not symbol.is_undefined}


def _defined(result: DiffResult) -> set[str]:
    return _globals(result.out) if result.out is not None else set()


def _undefined(result: DiffResult) -> set[str]:
    return {symbol.name for symbol in result.out.symbols if symbol.is_undefined} if result.out is not None else set()
