"""The one directory that downloads and built guests are kept in, safe to delete at any time.

Every entry is a directory named after its content's key, made beside its place and renamed
into it, so an entry that is there is complete.  Two runs at once take turns by a file lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["cache_dir", "entry", "key_of", "locked"]

KEEP_ENTRIES = 6


def cache_dir() -> Path:
    """``$XDG_CACHE_HOME/kpatch/check``, made when it is missing."""
    top = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kpatch" / "check"
    top.mkdir(parents=True, exist_ok=True)
    return top


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (made when missing), waiting for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def key_of(*parts: str | bytes | Path) -> str:
    """A short name for content: text, bytes, and files (by what they hold)."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def entry(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The directory ``kind/key`` of the cache; ``make(directory)`` fills it the first time.

    Older entries of the same kind are removed, all but the few that were used last.
    """
    place = cache_dir() / kind / key
    if not place.exists():
        with locked(place.parent / f".{key}.lock"):
            if not place.exists():
                _fill(place, make)
                _prune(place.parent)
    os.utime(place)
    return place


def _fill(place: Path, make: Callable[[Path], None]) -> None:
    work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    try:
        work.chmod(0o755)
        make(work)
        work.rename(place)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _prune(kind: Path) -> None:
    found = sorted((path for path in kind.iterdir() if not path.name.startswith(".")), key=lambda p: p.stat().st_mtime)
    for path in found[:-KEEP_ENTRIES]:
        shutil.rmtree(path, ignore_errors=True)
