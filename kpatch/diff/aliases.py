"""Functions with several names: a redirection is for a place, so all its names go along.

When the patch gives one of two names of a function a body of its own, or makes one function of two, the
names of one place lead to different places on the other side, and no redirection can tell them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity
from kpatch.diff.result import Refusal

__all__ = ["check_aliases"]


def check_aliases(comparer: Comparer) -> list[Refusal]:
    """Names of functions that were, or become, names of another function as well."""
    old, new = _by_name(comparer.o.functions), _by_name(comparer.p.functions)
    twins = comparer.twins
    refusals = []
    for name in sorted(old.keys() & new.keys()):
        a, b = old[name], new[name]
        if len(a.aliases) == len(b.aliases) == 1 or twins.same(a, b):
            continue
        if a in twins.patched or b in twins.original:
            refusals.append(
                Refusal(
                    "changed-alias",
                    name,
                    a.section.name,
                    f"{name} is a second name of a function in only one of the objects",
                    "keep the alias: change the function under both names, or call a new function instead",
                )
            )
    return refusals


def _by_name(functions: Iterable[Entity]) -> dict[str, Entity]:
    """The functions by each of their names; names that occur more than once are left out."""
    count = Counter(symbol.name for function in functions for symbol in function.aliases)
    return {symbol.name: function for function in functions for symbol in function.aliases if count[symbol.name] == 1}
