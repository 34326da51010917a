"""Small file operations: whole reads, and writes that are seen whole or not at all."""

import contextlib
import os
import tempfile
from typing import Optional

__all__ = ["read_text", "write_beside"]


def read_text(path: str) -> Optional[str]:
    """The text of a (sysfs, proc) file without the last newline; None when it cannot be read."""
    try:
        with open(path, errors="replace") as stream:
            return stream.read().rstrip("\n")
    except OSError:
        return None


def write_beside(path: str, data: bytes, mode: int = 0o644) -> None:
    """Write ``data`` to ``path``: to a file beside it, synced, then renamed over it.

    On failure ``path`` is as it was.  Raises OSError.
    """
    folder = os.path.dirname(path)
    handle, temporary = tempfile.mkstemp(prefix=".kpatch-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(folder)


def _sync_directory(folder: str) -> None:
    """Make the rename itself durable; some file systems cannot, which is no failure."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
