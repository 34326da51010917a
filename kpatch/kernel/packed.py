"""Compressed data, unpacked up to a size: by Python's modules, or by the format's own program.

What a damaged file makes us do is bounded: the memory for its dictionary, and the size of what comes out.
Host programs: ``zstd``, ``lz4`` and ``lzop`` for data packed with them, under util-linux's ``prlimit``.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from kpatch.errors import BadInput
from kpatch.run import run

__all__ = ["format_of", "unpack"]

_LARGEST_DICTIONARY = 1 << 28
"""Bytes; kernels are packed with at most 128 MiB (scripts/xz_wrap.sh, zstd -22)."""

_SIZE = 4
"""Bytes that Kbuild may put behind a kernel: its unpacked size (size_append), no further stream."""

_MAGIC = {
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x5d\0\0": "lzma",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x89LZO": "lzo",
}
_PROGRAMS = {
    "zstd": ("zstd", "-q", "-d", "-f", f"--memory={_LARGEST_DICTIONARY >> 20}MB", "packed", "-o", "plain"),
    "lz4": ("lz4", "-q", "-d", "-f", "packed", "plain"),
    "lzo": ("lzop", "-q", "-d", "-f", "packed", "-o", "plain"),
}


def format_of(data: bytes) -> str | None:
    """``xz``, ``zstd``, ``gzip``, ``bzip2``, ``lzma``, ``lz4`` or ``lzo``, by its first bytes; None for others."""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)


def unpack(data: bytes, limit: int, where: str, remedy: str) -> bytes:
    """What ``data`` holds, at most ``limit`` bytes; ``data`` itself when it is not compressed.

    ``where`` and ``remedy`` are for messages. Raises :class:`BadInput` for damage, for what unpacks to more, and when
    the format's program is missing.
    """
    name = format_of(data)
    if name is None:
        return data
    for program in ("prlimit", _PROGRAMS[name][0]) if name in _PROGRAMS else ():
        if shutil.which(program) is None:
            raise BadInput(f"{where}: it takes the program {program} to unpack {name} data", f"install {program}")
    try:
        plain = _by_program(_PROGRAMS[name], data, limit) if name in _PROGRAMS else _PYTHON[name](data, limit + 1)
    except (lzma.LZMAError, zlib.error, OSError, EOFError) as error:
        raise BadInput(f"{where}: the {name} data is damaged: {error}", remedy) from error
    if len(plain) > limit:
        raise BadInput(f"{where}: it unpacks to more than {limit} bytes", remedy)
    return plain


def _xz(data: bytes, stop: int) -> bytes:
    return _all_of(lambda: lzma.LZMADecompressor(memlimit=_LARGEST_DICTIONARY), data, stop)


def _lzma(data: bytes, stop: int) -> bytes:
    # this format's end need not be marked
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LARGEST_DICTIONARY).decompress(data, stop)


def _bzip2(data: bytes, stop: int) -> bytes:
    return _all_of(bz2.BZ2Decompressor, data, stop)


def _gzip(data: bytes, stop: int) -> bytes:
    return _all_of(lambda: zlib.decompressobj(wbits=31), data, stop)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _all_of(make: Callable[[], _Unpacker], data: bytes, stop: int) -> bytes:
    """What one stream or several hold, one behind the other as ``bgzip`` writes; what else follows is left out."""
    plain, name = b"", format_of(data)
    while len(plain) < stop:
        unpacker = make()
        plain += unpacker.decompress(data, stop - len(plain))
        if not unpacker.eof and len(plain) < stop:
            raise EOFError("it ends too early")
        data = unpacker.unused_data
        if len(data) <= _SIZE or format_of(data) != name:
            break
    return plain


_PYTHON: dict[str, Callable[[bytes, int], bytes]] = {"xz": _xz, "gzip": _gzip, "bzip2": _bzip2, "lzma": _lzma}


def _by_program(argv: Sequence[str], data: bytes, limit: int) -> bytes:
    """Through files, whose size the kernel limits; a byte more than ``limit`` when that stopped the program."""
    with tempfile.TemporaryDirectory(prefix="kpatch-packed-") as scratch:
        packed, plain = Path(scratch, "packed"), Path(scratch, "plain")
        packed.write_bytes(data)
        done = run(["prlimit", f"--fsize={limit + 1}", *argv], cwd=scratch, check=False, shown=argv)
        grown = plain.stat().st_size if plain.exists() else 0
        if done.returncode != 0 and grown <= limit:
            raise EOFError(done.stderr.strip() or f"{argv[0]} exits with status {done.returncode}")
        return plain.read_bytes()
