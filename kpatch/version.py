"""Compare versions as rpm does: segments of digits or letters, ``~`` before and ``^`` after the bare version."""

import re
from typing import List, Tuple

__all__ = ["Key", "compare", "sort_key"]

_SEGMENT = re.compile(r"~|\^|[0-9]+|[A-Za-z]+")

# What a segment is worth against another kind in the same place; the end of a version lies between.
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)
Key = List[Tuple[int, int, str]]


def sort_key(version: str) -> Key:
    """A key that sorts versions in rpm's order (oldest first); any other character only separates."""
    key: Key = []
    for segment in _SEGMENT.findall(version):
        if segment == "~":
            key.append((_TILDE, 0, ""))
        elif segment == "^":
            key.append((_CARET, 0, ""))
        elif segment.isdigit():
            key.append((_DIGITS, int(segment), ""))
        else:
            key.append((_LETTERS, 0, segment))
    key.append((_END, 0, ""))
    return key


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as rpmvercmp() would answer."""
    one, two = sort_key(left), sort_key(right)
    return (one > two) - (one < two)
