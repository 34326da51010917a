"""Texts of the kernel and the compiler that have a line number inside."""

from __future__ import annotations

import re

__all__ = ["says_same"]

#: what a checked memcpy() warns with: ``__stringify(__LINE__)`` at its end (linux/fortify-string.h)
_FORTIFY = re.compile(rb'(field "[^"]*" at [^":]+:)\d+\0')
_LINE = re.compile(rb":\d+\Z")


def says_same(a: object, b: object) -> bool:
    """Whether two strings differ in nothing but the lines in them."""
    if not isinstance(a, bytes) or not isinstance(b, bytes):
        return False
    for read in (_fortify, _stack_variables):
        known = read(a)
        if known is not None:
            return known == read(b)
    return False


def _fortify(text: bytes) -> bytes | None:
    match = _FORTIFY.fullmatch(text)
    return match[1] if match else None


def _stack_variables(text: bytes) -> list[tuple[bytes, bytes, bytes]] | None:
    """The variables of a frame as KASAN tells them, without their lines; None for any other text.

    ``2 32 11 6 name:5 64 24 7 other:6``: how many there are, then for each of them offset and size in the frame,
    bytes of name and line, the name, and the line if the file is the function's (gcc/asan.c,
    asan_emit_stack_protection(); mm/kasan/report_generic.c reads it).
    """
    number, *words = text[:-1].split(b" ")
    count, rest = divmod(len(words), 4)
    if rest or not count or number != str(count).encode():
        return None
    found: list[tuple[bytes, bytes, bytes]] = []
    for offset, size, length, name in zip(*(words[at::4] for at in range(4))):
        if not offset.isdigit() or not size.isdigit() or length != str(len(name)).encode():
            return None
        found.append((offset, size, _LINE.sub(b":", name)))
    return found
