"""Which of two versions rpm takes for the newer one (rpm's rpmvercmp, as its manual page describes it)."""

from __future__ import annotations

import re

__all__ = ["compare", "compare_evr"]

_PART = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


def compare(one: str, other: str) -> int:
    """-1, 0 or 1 as the version string ``one`` is older than, as new as, or newer than ``other``.

    >>> compare("1.10", "1.9"), compare("1.0~rc1", "1.0"), compare("1.0^git1", "1.0")
    (1, -1, 1)
    """
    if one == other:
        return 0
    mine, theirs = _PART.findall(one), _PART.findall(other)
    for index in range(max(len(mine), len(theirs))):
        left = mine[index] if index < len(mine) else ""
        right = theirs[index] if index < len(theirs) else ""
        order = _compare_part(left, right)
        if order:
            return order
    return 0


def compare_evr(one: tuple[str, str, str], other: tuple[str, str, str]) -> int:
    """The same for (epoch, version, release); an empty epoch is 0."""
    for left, right in zip((one[0] or "0", *one[1:]), (other[0] or "0", *other[1:])):
        order = compare(left, right)
        if order:
            return order
    return 0


def _compare_part(left: str, right: str) -> int:
    """Compare one part; an empty string is the end of the version."""
    rank = (_rank(left), _rank(right))
    if rank[0] != rank[1]:
        return 1 if rank[0] > rank[1] else -1
    if left.isdigit():
        return (int(left) > int(right)) - (int(left) < int(right))
    return (left > right) - (left < right)


def _rank(part: str) -> int:
    """``~`` is older than the end, ``^`` newer than it; letters are older than digits."""
    if part in ("~", "", "^"):
        return ("~", "", "^").index(part)
    return 4 if part.isdigit() else 3
