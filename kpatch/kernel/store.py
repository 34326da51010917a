"""Files of the kernel cache: written beside, flushed to disk, renamed; never seen half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kpatch.errors import KpatchError

__all__ = ["write_file"]


def write_file(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Put ``data`` (bytes, or pieces of it) at ``path`` in one step; a reader sees all or nothing.

    Raises :class:`KpatchError` when the disk is full or the directory cannot be written.
    """
    pieces = [data] if isinstance(data, bytes) else data
    beside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.rename(beside, path)
    except BaseException as error:
        if beside and os.path.exists(beside):
            os.unlink(beside)
        if isinstance(error, OSError):
            raise KpatchError(f"cannot write {path}: {error}", "make room, or set XDG_CACHE_HOME") from error
        raise
