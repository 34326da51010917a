"""The compressed kernel inside a bzImage: found by the boot header.

Field offsets are those of Documentation/x86/boot.rst: ``setup_sects`` 0x1f1, ``HdrS`` 0x202,
protocol version 0x206, ``payload_offset`` 0x248, ``payload_length`` 0x24c (protocol 2.08).
"""

from __future__ import annotations

import struct

from kpatch.errors import BadInput
from kpatch.kernel import packed

__all__ = ["LARGEST_KERNEL", "REMEDY", "is_bzimage", "unpack"]

LARGEST_KERNEL = 3 << 27
"""Bytes; no kernel unpacks to more.  Bounds what a damaged image can make us do: unpacking takes twice as much."""

REMEDY = "copy the image again from the kernel package, or name another with --image"
_PROTOCOL_WITH_PAYLOAD = 0x208
_SIZE_APPENDED = ("zstd", "lz4", "lzo")
"""Formats that do not tell the unpacked size themselves: Kbuild appends it, four bytes (size_append)."""


def is_bzimage(data: bytes) -> bool:
    """Whether ``data`` starts like an x86 bzImage (boot sector with the ``HdrS`` header)."""
    return data[0x202:0x206] == b"HdrS"


def unpack(data: bytes, where: str) -> bytes:
    """The ELF kernel inside the bzImage ``data``; ``where`` names the file in messages.

    Raises :class:`BadInput` for a truncated or damaged image and for an unknown compression.
    """
    payload = _payload(data, where)
    name = packed.format_of(payload)
    if name is None:
        raise BadInput(f"{where}: unknown compression, the payload starts with {payload[:6].hex()}", REMEDY)
    if name not in _SIZE_APPENDED:
        return packed.unpack(payload, LARGEST_KERNEL, where, REMEDY)
    (size,) = struct.unpack("<I", payload[-4:])
    if size > LARGEST_KERNEL:
        raise BadInput(f"{where}: the {name} payload claims to unpack to {size} bytes", REMEDY)
    kernel = packed.unpack(payload[:-4], size, where, REMEDY)
    if len(kernel) != size:
        raise BadInput(f"{where}: {len(kernel)} bytes unpacked, {size} expected", REMEDY)
    return kernel


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
