"""A kernel image of a few kilobytes with all that kpatch.kernel reads, made from a list of symbols."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Sequence

BASE = 0xFFFFFFFF81000000
RODATA = BASE + 0x10000
RELEASE = "6.1.0-56-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
BUILD_ID = bytes(range(20))

Entry = tuple[str, str, int]
"""Type letter, name, address."""


def many_symbols(count: int = 700) -> list[Entry]:
    """``_text`` and more, by address; one name is longer than 127 tokens, one occurs twice."""
    entries: list[Entry] = [("T", "_text", BASE)]
    entries += [("t", f"function_{index}", BASE + 16 * index) for index in range(1, count)]
    entries[300] = ("t", "big_" + "xy" * 200, entries[300][2])
    entries[400] = ("t", entries[10][1], entries[400][2])
    return entries


def _pad(data: bytes, align: int) -> bytes:
    return data + b"\0" * (-len(data) % align)


def kallsyms_tables(entries: Sequence[Entry], layout: str, place: int) -> bytes:
    """The tables for ``entries`` at address ``place``; ``layout``: 5.10, 6.2, 6.4, percpu or 7.2."""
    tokens = [bytes([code]) if 0x20 < code < 0x7F else b"" for code in range(256)]
    tokens[0x80], tokens[0x81] = b"function_", b"tfunction_"
    names, markers = b"", []
    for index, (kind, name, _) in enumerate(entries):
        if index % 256 == 0:
            markers.append(len(names))
        coded = (kind + name).encode().replace(b"tfunction_", b"\x81").replace(b"function_", b"\x80")
        size = len(coded)
        names += (bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])) + coded
    align = 4 if layout == "7.2" else 8
    token_table = b"".join(token + b"\0" for token in tokens)
    starts = [len(b"".join(tokens[:code])) + code for code in range(256)]
    head = [
        _pad(struct.pack("<I", len(entries)), align),
        _pad(names, align),
        _pad(struct.pack(f"<{len(markers)}I", *markers), align),
    ]
    seqs = _pad(b"".join(index.to_bytes(3, "big") for index in range(len(entries))), align)
    tail = [_pad(token_table, align), struct.pack("<256H", *starts)]
    if layout in ("5.10", "6.2", "percpu"):
        offsets = _pad(b"".join(_offset(address, layout) for _, _, address in entries), align)
        pieces = [offsets, struct.pack("<Q", BASE), *head, *([seqs] if layout == "6.2" else []), *tail]
    elif layout == "6.4":
        offsets = _pad(b"".join(_offset(address, layout) for _, _, address in entries), align)
        pieces = [*head, *tail, offsets, struct.pack("<Q", BASE), seqs]
    else:
        first = place + sum(map(len, head + tail))
        relative = [address - (first + 4 * index) for index, (_, _, address) in enumerate(entries)]
        pieces = [*head, *tail, struct.pack(f"<{len(relative)}i", *relative), seqs]
    return b"".join(pieces)


def _offset(address: int, layout: str) -> bytes:
    if layout != "percpu":
        return struct.pack("<I", address - BASE)
    return struct.pack("<i", address if address < BASE else BASE - 1 - address)


def uts(release: str = RELEASE, version: str = VERSION) -> bytes:
    """``init_uts_ns.name``, behind the weak copy without a build number that real images hold too."""
    weak = version.replace("#1 ", "# ")
    return b"".join(
        field.encode().ljust(65, b"\0")
        for text in (weak, version)
        for field in ("Linux", "(none)", release, text, "x86_64", "(none)")
    )


def vmlinux(tables: bytes, text: bytes = b"\xcc" * 0x1000) -> bytes:
    """An ELF kernel: ``text`` at BASE, ``tables`` at RODATA, version strings, notes."""
    note = struct.pack("<III", 4, len(BUILD_ID), 3) + b"GNU\0" + BUILD_ID
    banner = f"Linux version {RELEASE} (someone@somewhere) (gcc) {VERSION}\n".encode()
    rodata = tables + b"\0" * 8 + uts() + banner + b"\0"
    text_at, rodata_at = 0x1000, 0x1000 + len(text)
    notes_at = rodata_at + len(rodata)
    segments = [
        (1, 5, text_at, BASE, len(text), len(text)),
        (1, 4, rodata_at, RODATA, len(rodata) + len(note), len(rodata) + len(note) + 64),
        (4, 4, notes_at, RODATA + len(rodata), len(note), len(note)),
    ]
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE, 64, 0, 0, 64, 56, len(segments), 64, 0, 0
    )
    program = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, address, 0, file_size, memory_size, 4096)
        for kind, flags, offset, address, file_size, memory_size in segments
    )
    return (header + program).ljust(text_at, b"\0") + text + rodata + note


def with_symbols(kernel: bytes, names: bytes, places: Sequence[int]) -> bytes:
    """``kernel`` with a symbol table of functions whose names begin at ``places`` of the string table ``names``."""
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", at, 0x12, 0, 1, BASE + 16 * at, 16) for at in places)
    rows = [
        (0, 0, 0, 0, 0, 0, 0),
        (1, 6, BASE, 0x1000, 0x1000, 0, 0),
        (2, 0, 0, len(kernel), len(symbols), 3, 24),
        (3, 0, 0, len(kernel) + len(symbols), len(names), 0, 0),
    ]
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, flags, address, offset, size, link, 0, 1, entry)
        for kind, flags, address, offset, size, link, entry in rows
    )
    out = bytearray(kernel + symbols + names + table)
    struct.pack_into("<Q", out, 40, len(out) - len(table))
    struct.pack_into("<HHH", out, 58, 64, len(rows), 3)
    return bytes(out)


def bzimage(kernel: bytes, payload: bytes | None = None) -> bytes:
    """``kernel`` as the xz payload of a bzImage (or ``payload`` as it is)."""
    if payload is None:
        payload = lzma.compress(kernel, check=lzma.CHECK_CRC32) + struct.pack("<I", len(kernel))
    data = bytearray(2 * 512 + 256)
    data[0x1F1] = 1
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, 0x20F)
    struct.pack_into("<II", data, 0x248, 256, len(payload))
    return bytes(data) + payload
