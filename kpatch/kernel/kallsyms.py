"""The image's own kallsyms tables, decoded without any symbol to start from.

Facts from scripts/kallsyms.c and kernel/kallsyms.c: symbol names are sequences of one-byte tokens
behind a ULEB128 length (two bytes from 6.1 on); ``kallsyms_markers`` holds the offset of every
256th name.  The order in memory:

    until 6.3   offsets, relative_base, num_syms, names, markers, [seqs_of_names,] token_table, token_index
    from 6.4    num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names
    7.2         the same without relative_base: every offset is relative to its own place

Labels are aligned to 8, in 7.2 to 4.

Only ``token_table`` and ``token_index`` have a shape of their own; all else is found from there.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from kpatch.errors import BadInput
from kpatch.kernel.image import KernelImage, RawSymbols
from kpatch.kernel.payload import REMEDY

__all__ = ["decode"]

_TOKENS = 256
_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_LARGEST_TOKEN_TABLE = 0x8000
_MOST_SYMBOLS = 4_000_000
_LONGEST_BLOCK = _TOKENS * 512
"""Bytes; 256 names never take more (KSYM_NAME_LEN is 512)."""


class _Names(NamedTuple):
    """Where the names lie: file offsets of the first name and of the markers, and how many names."""

    start: int
    markers: int
    total: int


def decode(image: KernelImage) -> RawSymbols:
    """All symbols of ``image`` as its kallsyms tables tell them, addresses not moved by KASLR.

    Raises :class:`BadInput` when there are no tables or they do not fit together.
    """
    for table, tokens, index_end in _token_tables(image):
        for names in _name_tables(image.data, table):
            texts = _expand(image.data, names, tokens)
            if texts is None:
                continue
            for addresses in _address_tables(image, names, index_end):
                if _plausible(image, texts, addresses):
                    return RawSymbols([text[1:] for text in texts], addresses, "".join([t[0] for t in texts]))
    raise BadInput(
        f"{image.where}: no kallsyms tables found (built without CONFIG_KALLSYMS, or damaged)",
        f"give a System.map or a vmlinux with symbols; or {REMEDY}",
    )


def _token_tables(image: KernelImage) -> Iterator[tuple[int, list[str], int]]:
    """Places of a token table, its tokens, and the end of the token index behind it."""
    data, zero = image.buffer, -1
    while (zero := data.find(_DIGITS, zero + 1)) >= 0:
        # The digits are tokens 0x30 to 0x39; the index behind the table tells where it starts.
        rest = bytes(data[zero : zero + _LARGEST_TOKEN_TABLE]).split(b"\0")[: _TOKENS - ord("0")]
        end = zero + sum(len(token) + 1 for token in rest)
        for index in range(end, end + 8):
            if index + 2 * _TOKENS > len(data):
                break
            places = struct.unpack_from(f"<{_TOKENS}H", data, index)
            start = zero - places[ord("0")]
            if places[0] != 0 or start < 0:
                continue
            tokens = bytes(data[start:end]).split(b"\0")[:_TOKENS]
            if places == tuple(accumulate((len(token) + 1 for token in tokens[:-1]), initial=0)):
                yield start, [token.decode("latin-1") for token in tokens], index + 2 * _TOKENS


def _name_tables(data: memoryview, token_table: int) -> Iterator[_Names]:
    """Places where names and their markers may lie, to the left of the token table, nearest first."""
    length = min(token_table // 4, _MOST_SYMBOLS)
    words = array("I", bytes(data[token_table - 4 * length : token_table]))
    if sys.byteorder == "big":
        words.byteswap()
    for at in range(length - 2, -1, -1):
        # markers[0] is 0, all others are not.
        if words[at] or not _is_block(words[at + 1]):
            continue
        for blocks in _possible_blocks(4 * (length - at)):
            if all(_is_block(words[last + 1] - words[last]) for last in range(at, at + blocks - 1)):
                yield from _names_before(data, token_table - 4 * (length - at), words[at : at + blocks])


def _is_block(size: int) -> bool:
    """Whether 256 names can take ``size`` bytes."""
    return 2 * _TOKENS <= size <= _LONGEST_BLOCK


def _possible_blocks(distance: int) -> Iterator[int]:
    """How many markers there can be when the token table begins ``distance`` bytes behind the first one.

    Between them lie only padding and, in 6.2 and 6.3, three bytes for each symbol (``seqs_of_names``).
    """
    for blocks in (distance // 4, distance // 4 - 1):
        if blocks > 1:
            yield blocks
    most = (distance + 3 * (_TOKENS - 1)) // (4 + 3 * _TOKENS)
    yield from range(max((distance - 14 - 1) // (4 + 3 * _TOKENS) + 1, 2), most + 1)


def _names_before(data: memoryview, markers: int, values: array[int]) -> Iterator[_Names]:
    """Name tables that end where the markers start, which hold ``values``."""
    latest, blocks = markers - values[-1], len(values)
    for start in range(latest - (latest - markers) % 4, max(latest - _LONGEST_BLOCK, 16), -4):
        for label in (start - 8, start - 4):
            (count,) = struct.unpack_from("<I", data, label)
            if (count + _TOKENS - 1) // _TOKENS == blocks and _walk(data, start, _TOKENS) == start + values[1]:
                yield _Names(start, markers, count)


def _walk(data: memoryview, at: int, names: int) -> int:
    """The file offset behind ``names`` names that start at ``at``; 0 when one has no length or lies outside."""
    for _ in range(names):
        if at + 1 >= len(data) or data[at] == 0:
            return 0
        length = data[at]
        at += 1
        if length & 0x80:
            length = length & 0x7F | data[at] << 7
            at += 1
        at += length
    return at


def _expand(data: memoryview, names: _Names, tokens: list[str]) -> list[str] | None:
    """All names with their type letter in front, or None when the table runs out of its space."""
    stream = bytes(data[names.start : names.markers])
    texts, at = [], 0
    try:
        for _ in range(names.total):
            length = stream[at]
            at += 1
            if length & 0x80:
                length = length & 0x7F | stream[at] << 7
                at += 1
            texts.append("".join([tokens[token] for token in stream[at : at + length]]))
            at += length
    except IndexError:
        return None
    return texts if at <= len(stream) and all(texts) else None


def _address_tables(image: KernelImage, names: _Names, index_end: int) -> Iterator[list[int]]:
    """Readings of the address table, likeliest first."""
    data, count = image.data, names.total
    size = (4 * count + 7) & ~7
    # The token index has 512 bytes and so keeps the alignment of what follows it.
    for offsets, base_at in ((names.start - 16 - size, names.start - 16), (index_end, index_end + size)):
        if offsets < 0 or base_at + 8 > len(data):
            continue
        values = struct.unpack_from(f"<{count}i", data, offsets)
        (base,) = struct.unpack_from("<Q", data, base_at)
        if image.find(base):
            if min(values) < 0:
                # CONFIG_KALLSYMS_ABSOLUTE_PERCPU: per-CPU symbols as they are, all others below zero.
                yield [value if value >= 0 else base - 1 - value for value in values]
            yield [base + (value & 0xFFFFFFFF) for value in values]
        place = image.address_of(offsets)
        if place is not None:
            yield [place + 4 * at + value for at, value in enumerate(values)]


def _plausible(image: KernelImage, texts: list[str], addresses: list[int]) -> bool:
    """Whether the kernel's first symbol of code stands at the image's first byte of code."""
    try:
        start = addresses[texts.index("T_text")]
    except ValueError:
        return False
    return start == min((start for start, _ in image.text_ranges), default=None)
