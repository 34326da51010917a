"""Damaged objects: every kind of damage that a number in an ELF file can have, by seed.

``python -m tests.fuzz.damage --seconds 600`` looks for longer than ``make check`` does; the objects
of a finding are written to ``--output``.
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject
from kpatch.errors import KpatchError
from tests.golden.corpus import Item, items

__all__ = ["Finding", "damage", "ending_of", "tries", "truncations", "try_pair"]

MAX_SECONDS = 10.0
#: changes the object in place; gets its section headers as they were
Way = Callable[[bytearray, "list[tuple[int, ...]]", random.Random], None]
_NUMBERS: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    7,
    8,
    0xFF,
    0xFFF1,
    0xFFF2,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0xFFFFFFFF,
    1 << 30,
    1 << 40,
)
_NUMBERS += (1 << 63, (1 << 64) - 1, (1 << 64) - 8)
#: offset and width of the fields of a section header
_SECTION_FIELDS = ((0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 8), (56, 8))
_SYMBOL_FIELDS = ((0, 4), (4, 1), (5, 1), (6, 2), (8, 8), (16, 8))
_RELOC_FIELDS = ((0, 8), (8, 4), (12, 4), (16, 8))
_HEADER_FIELDS = ((4, 1), (5, 1), (16, 2), (18, 2), (40, 8), (58, 2), (60, 2), (62, 2))
_TYPES = (*range(20), 0x6FFFFFFF, 0x70000001)


class Finding(Exception):
    """The differ did not end as it must."""


def _headers(data: bytes) -> list[tuple[int, ...]]:
    offset, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    return [struct.unpack_from("<IIQQQQIIQQ", data, offset + 64 * number) for number in range(count)]


def truncations(data: bytes) -> Iterator[bytes]:
    """``data`` cut at, before and behind each boundary that its headers tell."""
    start = struct.unpack_from("<Q", data, 40)[0]
    edges = {0, 4, 16, 63, 64, start, len(data) - 1}
    for number, header in enumerate(_headers(data)):
        edges |= {header[4], header[4] + header[5], start + 64 * number}
    for edge in sorted(edges | {edge - 1 for edge in edges} | {edge + 1 for edge in edges}):
        if 0 <= edge < len(data):
            yield data[:edge]


def damage(data: bytes, random: random.Random) -> bytes:
    """A copy of the object ``data`` with one to three damages."""
    out = bytearray(data)
    headers = _headers(data)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(_WAYS)(out, headers, random)
    return bytes(out)


def _put(out: bytearray, at: int, width: int, random: random.Random) -> None:
    """Another number for the field of ``width`` bytes at ``at``: a notable one, a near one, or one bit."""
    if at + width > len(out):
        return  # an earlier damage cut it off
    old = int.from_bytes(out[at : at + width], "little")
    near = old + random.choice((-8, -1, 1, 2, 8, 24))
    new = random.choice((random.choice(_NUMBERS), near, old ^ 1 << random.randrange(8 * width), random.getrandbits(6)))
    out[at : at + width] = (new & (1 << 8 * width) - 1).to_bytes(width, "little")


def _header(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    at, width = random.choice(_HEADER_FIELDS)
    _put(out, at, width, random)


def _section(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    start = struct.unpack_from("<Q", out, 40)[0] if len(headers) else 0
    at, width = random.choice(_SECTION_FIELDS)
    place = start + 64 * random.randrange(1, len(headers)) + at
    if place + width > len(out):
        return
    if at == 4 and random.random() < 0.7:
        out[place : place + 4] = random.choice(_TYPES).to_bytes(4, "little")
    else:
        _put(out, place, width, random)


def _nobits(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    """A section without contents in the file, and of any size."""
    start = struct.unpack_from("<Q", out, 40)[0]
    place = start + 64 * random.randrange(1, len(headers))
    if place + 64 <= len(out):
        out[place + 4 : place + 8] = c.SHT_NOBITS.to_bytes(4, "little")
        if random.random() < 0.5:
            _put(out, place + 32, 8, random)


def _table(kind: int, size: int, fields: tuple[tuple[int, int], ...]) -> Way:
    def change(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
        tables = [header for header in headers if header[1] == kind and header[5] >= size]
        if not tables:
            return
        table = random.choice(tables)
        at, width = random.choice(fields)
        _put(out, table[4] + size * random.randrange(table[5] // size) + at, width, random)

    return change


def _contents(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    sections = [header for header in headers if header[5] and header[1] != c.SHT_NOBITS]
    header = random.choice(sections)
    place = header[4] + random.randrange(header[5])
    if place < len(out):
        out[place] ^= 1 << random.randrange(8)


def _anywhere(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    out[random.randrange(len(out))] = random.getrandbits(8)


def _cut(out: bytearray, headers: list[tuple[int, ...]], random: random.Random) -> None:
    del out[random.randrange(64, len(out) + 1) :]


_SYMBOL = _table(c.SHT_SYMTAB, 24, _SYMBOL_FIELDS)
_RELOC = _table(c.SHT_RELA, 24, _RELOC_FIELDS)
_WAYS = (_header, _section, _section, _nobits, _SYMBOL, _SYMBOL, _RELOC, _RELOC, _contents, _contents, _anywhere, _cut)


def ending_of(action: Callable[[], str]) -> str:
    """How ``action`` ended: what it returned, or the name of its KpatchError. Raises :class:`Finding`."""
    begin = time.monotonic()
    try:
        ended = action()
    except KpatchError as error:
        ended = type(error).__name__
        if not error.message:
            raise Finding("an error without message") from error
    except Finding:
        raise
    except (Exception, RecursionError) as error:
        raise Finding("".join(traceback.format_exception(type(error), error, error.__traceback__))) from None
    if time.monotonic() - begin > MAX_SECONDS:
        raise Finding(f"took {time.monotonic() - begin:.1f} s")
    return ended


def try_pair(original: bytes, patched: bytes, objname: str = "vmlinux") -> str:
    """Diff two objects and write the result; returns how it ended. Raises :class:`Finding`."""
    return ending_of(lambda: _diff(original, patched, objname))


def _diff(original: bytes, patched: bytes, objname: str) -> str:
    objects = ElfObject.parse(original, "original"), ElfObject.parse(patched, "patched")
    result = diff_objects(*objects, objname=objname)
    if result.out is not None:
        again = ElfObject.parse(result.out.to_bytes(), "written")
        assert all(section.relocs is not None for section in again.sections)
    if any(not refusal.message or not refusal.remedy for refusal in result.refusals):
        raise Finding("a refusal without message or remedy")
    return result.status


def tries(seed: int, seconds: float) -> Iterator[tuple[Item, bytes, bytes]]:
    """Pairs with one damaged side, or both, for ``seconds``."""
    rng = random.Random(seed)
    corpus = [(item, item.object("original").read_bytes(), item.object("patched").read_bytes()) for item in items()]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        item, original, patched = rng.choice(corpus)
        which = rng.randrange(4)
        if which == 0:
            original = damage(original, rng)
        elif which == 1:
            patched = damage(patched, rng)
        elif which == 2:
            original = patched = damage(patched, rng)
        else:
            original, patched = damage(original, rng), damage(patched, rng)
        yield item, original, patched


def main() -> int:
    """Look for findings; each new place is written to the current directory."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--output", type=Path, default=Path("."))
    args = parser.parse_args()
    limit = 1 << 30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    ends: dict[str, int] = {}
    seen: set[str] = set()
    for item, original, patched in tries(args.seed, args.seconds):
        try:
            ended = try_pair(original, patched)
        except Finding as finding:
            ended = "finding"
            place = [line.strip() for line in str(finding).splitlines() if line.startswith("  File")][-1:] or [
                str(finding)
            ]
            if place[0] not in seen:
                seen.add(place[0])
                name = f"{item}-{len(seen)}"
                (args.output / f"{name}.original.o").write_bytes(original)
                (args.output / f"{name}.patched.o").write_bytes(patched)
                print(f"== {name}\n{finding}")
        ends[ended] = ends.get(ended, 0) + 1
    print(f"seed {args.seed}: {sum(ends.values())} pairs, {ends}")
    return bool(seen)


if __name__ == "__main__":
    sys.exit(main())
