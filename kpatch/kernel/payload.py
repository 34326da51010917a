"""The compressed kernel inside a bzImage: found by the boot header, unpacked by its magic number.

Field offsets are those of Documentation/x86/boot.rst: ``setup_sects`` 0x1f1, ``HdrS`` 0x202,
protocol version 0x206, ``payload_offset`` 0x248, ``payload_length`` 0x24c (protocol 2.08).
Host programs: ``zstd``, ``lz4`` or ``lzop`` for kernels packed with them; the rest is Python's.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from kpatch.errors import BadInput, RunError
from kpatch.run import run

__all__ = ["LARGEST_KERNEL", "REMEDY", "is_bzimage", "unpack"]

LARGEST_KERNEL = 3 << 27
"""Bytes; no kernel unpacks to more.  Bounds what a damaged image can make us do: unpacking takes twice as much."""

_LARGEST_DICTIONARY = 1 << 28
"""Bytes; kernels are packed with at most 128 MiB (scripts/xz_wrap.sh, zstd -22)."""

REMEDY = "copy the image again from the kernel package, or name another with --image"
_PROTOCOL_WITH_PAYLOAD = 0x208


def is_bzimage(data: bytes) -> bool:
    """Whether ``data`` starts like an x86 bzImage (boot sector with the ``HdrS`` header)."""
    return data[0x202:0x206] == b"HdrS"


def unpack(data: bytes, where: str) -> bytes:
    """The ELF kernel inside the bzImage ``data``; ``where`` names the file in messages.

    Raises :class:`BadInput` for a truncated or damaged image and for an unknown compression.
    """
    payload = _payload(data, where)
    for magic, name, unpacker in _FORMATS:
        if not payload.startswith(magic):
            continue
        try:
            kernel = unpacker(payload)
        except (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, RunError) as error:
            raise BadInput(f"{where}: the {name} payload is damaged: {error}", REMEDY) from error
        if len(kernel) > LARGEST_KERNEL:
            raise BadInput(f"{where}: the payload unpacks to more than {LARGEST_KERNEL} bytes", REMEDY)
        return kernel
    raise BadInput(f"{where}: unknown compression, the payload starts with {payload[:6].hex()}", REMEDY)


def _payload(data: bytes, where: str) -> bytes:
    if len(data) < 0x250:
        raise BadInput(f"{where}: only {len(data)} bytes, too short for a kernel image", REMEDY)
    (protocol,) = struct.unpack_from("<H", data, 0x206)
    if protocol < _PROTOCOL_WITH_PAYLOAD:
        raise BadInput(f"{where}: boot protocol {protocol:#x} is too old to tell where the kernel lies", REMEDY)
    offset, length = struct.unpack_from("<II", data, 0x248)
    # setup_sects 0 means 4; the boot sector itself is not counted.
    start = ((data[0x1F1] or 4) + 1) * 512 + offset
    if start + length > len(data):
        raise BadInput(f"{where}: truncated, {len(data)} bytes of {start + length}", REMEDY)
    if length < 16:
        raise BadInput(f"{where}: the boot header names a payload of {length} bytes", REMEDY)
    return data[start : start + length]


def _xz(payload: bytes) -> bytes:
    return _all_of(lzma.LZMADecompressor(memlimit=_LARGEST_DICTIONARY), payload)


def _lzma(payload: bytes) -> bytes:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LARGEST_DICTIONARY)
    return _all_of(unpacker, payload, may_lack_end=True)


def _bzip2(payload: bytes) -> bytes:
    return _all_of(bz2.BZ2Decompressor(), payload)


def _gzip(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    kernel = unpacker.decompress(payload, LARGEST_KERNEL + 1)
    if not unpacker.eof and len(kernel) <= LARGEST_KERNEL:
        raise EOFError("it ends too early")
    return kernel


def _all_of(
    unpacker: lzma.LZMADecompressor | bz2.BZ2Decompressor, payload: bytes, may_lack_end: bool = False
) -> bytes:
    kernel = unpacker.decompress(payload, LARGEST_KERNEL + 1)
    if not unpacker.eof and not may_lack_end and len(kernel) <= LARGEST_KERNEL:
        raise EOFError("it ends too early")
    return kernel


def _by_program(*argv: str) -> Callable[[bytes], bytes]:
    """An unpacker that runs ``argv IN`` with ``-o OUT``; through files, so memory stays bounded."""

    def unpacker(payload: bytes) -> bytes:
        # Kbuild appends the unpacked size, four bytes, after the compressed stream (size_append).
        (size,) = struct.unpack("<I", payload[-4:])
        if size > LARGEST_KERNEL:
            raise ValueError(f"it claims to unpack to {size} bytes")
        with tempfile.TemporaryDirectory(prefix="kpatch-image-") as scratch:
            packed, plain = Path(scratch, "packed"), Path(scratch, "plain")
            packed.write_bytes(payload[:-4])
            run([*argv, "-o", plain, packed] if argv[0] != "lz4" else [*argv, packed, plain])
            if plain.stat().st_size != size:
                raise EOFError(f"{plain.stat().st_size} bytes unpacked, {size} expected")
            return plain.read_bytes()

    return unpacker


_FORMATS: list[tuple[bytes, str, Callable[[bytes], bytes]]] = [
    (b"\xfd7zXZ\0", "xz", _xz),
    (b"\x28\xb5\x2f\xfd", "zstd", _by_program("zstd", "-q", "-d", "-f", f"--memory={_LARGEST_DICTIONARY >> 20}MB")),
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", _bzip2),
    (b"\x5d\0\0", "lzma", _lzma),
    (b"\x02\x21\x4c\x18", "lz4", _by_program("lz4", "-q", "-d", "-f")),
    (b"\x89LZO", "lzo", _by_program("lzop", "-q", "-d", "-f")),
]
