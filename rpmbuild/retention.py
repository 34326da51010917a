"""Old metadata stays for a while: a client that has read the old repomd.xml may still fetch what it names.

The files carry their checksum in their name, so old and new ones lie side by side.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

__all__ = ["DEFAULT_KEEP_SECONDS", "carry_over"]

DEFAULT_KEEP_SECONDS = 6 * 3600
_ENTRY_POINTS = ("repomd.xml", "repomd.xml.asc", "repomd.xml.key")


def carry_over(old: Path, new: Path, referenced: Collection[str], keep_seconds: float) -> list[str]:
    """Link metadata files of directory ``old`` into ``new``, but none that retired over ``keep_seconds`` ago.

    ``referenced`` are the files that ``old``'s repomd.xml names: they retire now.  When a file retired is its time
    stamp.  Returns the names of those carried over.
    """
    now = time.time()
    carried = []
    for path in sorted(old.iterdir()):
        if path.name in _ENTRY_POINTS or not path.is_file() or (new / path.name).exists():
            continue
        if path.name not in referenced and now - path.stat().st_mtime > keep_seconds:
            continue
        if keep_seconds <= 0:
            continue
        os.link(path, new / path.name)
        if path.name in referenced:
            os.utime(new / path.name, (now, now))
        carried.append(path.name)
    return carried
