"""One writer at a time: an flock on a file in /run, which the kernel drops when its holder dies."""

import errno
import fcntl
import os
from types import TracebackType
from typing import Optional, Type

from kpatch.errors import KpatchError, Locked
from kpatch.host import wait
from kpatch.host.files import read_text
from kpatch.host.paths import Paths

__all__ = ["LOCK_TIMEOUT", "Lock"]

LOCK_TIMEOUT = 120.0
"""Seconds to wait for another run: longer than the longest wait for tasks of one patch."""


class Lock:
    """Context manager that holds the machine's lock; raises :class:`Locked` after ``timeout`` seconds."""

    def __init__(self, paths: Paths, timeout: float = LOCK_TIMEOUT) -> None:
        self._paths = paths
        self._timeout = timeout
        self._handle = -1

    def __enter__(self) -> "Lock":
        path = self._paths.lock
        try:
            os.makedirs(self._paths.run_dir, mode=0o755, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except PermissionError as error:
            raise KpatchError("cannot take the lock {}: {}".format(path, error.strerror), "run it as root") from error
        holder = read_text(path) or "unknown"
        if not wait.until(self._take, self._timeout, "another kpatch run (pid {})".format(holder)):
            os.close(self._handle)
            raise Locked(
                "another run (pid {}) holds {}".format(read_text(path) or "unknown", path),
                "wait until it has ended, then run the command again",
            )
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)
        return self

    def _take(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise
            return False
        return True

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        os.close(self._handle)
