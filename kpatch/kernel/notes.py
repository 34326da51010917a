"""ELF notes of a kernel: the GNU build-id and where ``/sys/kernel/notes`` takes its bytes from."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Note", "build_id", "notes"]

NT_GNU_BUILD_ID = 3


class Note(NamedTuple):
    """One note: its owner (``GNU``, ``Linux``, ``Xen``), type and description bytes."""

    owner: str
    type: int
    desc: bytes


def notes(data: bytes) -> Iterator[Note]:
    """The notes in ``data``, the bytes of a note segment; stops where they stop making sense."""
    at = 0
    while at + 12 <= len(data):
        owner_size, desc_size, kind = struct.unpack_from("<III", data, at)
        desc_at = at + 12 + _padded(owner_size)
        if desc_at + desc_size > len(data):
            return
        owner = data[at + 12 : at + 12 + owner_size].rstrip(b"\0").decode("latin-1")
        yield Note(owner, kind, data[desc_at : desc_at + desc_size])
        at = desc_at + _padded(desc_size)


def build_id(data: bytes) -> bytes | None:
    """The GNU build-id (20 bytes as a rule) among the notes in ``data``, or None."""
    for note in notes(data):
        if note.owner == "GNU" and note.type == NT_GNU_BUILD_ID:
            return note.desc
    return None


def _padded(size: int) -> int:
    return (size + 3) & ~3
