"""The numbered stage directories of one run, with completion stamps and times."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from kpatch.log import logger

__all__ = ["STAGES", "Progress", "Stages", "quiet"]

Progress = Callable[[str], AbstractContextManager[None]]
"""Tells the user what goes on while it is entered."""

STAGES = ("1-kernel", "2-source", "3-original", "4-patched", "5-diff", "6-match", "7-module", "8-rpm")
_STAMP = ".complete"


@contextmanager
def quiet(what: str) -> Iterator[None]:
    """A progress that only debug messages show."""
    logger.debug("%s", what)
    yield


class Stages:
    """The work directory of one run: ``with Stages(keep) as stages``; removed at the end unless kept."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.top = Path(tempfile.mkdtemp(prefix="kpatch-build-"))
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        if self.keep:
            logger.info("the work directory is kept: %s", self.top)
        else:
            shutil.rmtree(self.top, ignore_errors=True)

    def directory(self, name: str) -> Path:
        """The directory of stage ``name``."""
        assert name in STAGES
        path = self.top / name
        path.mkdir(exist_ok=True)
        return path

    @contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """Run one stage; it is stamped as complete, with its seconds, when no error leaves it."""
        path = self.directory(name)
        start = time.monotonic()
        yield path
        self.seconds[name] = round(time.monotonic() - start, 3)
        (path / _STAMP).write_text(f"{self.seconds[name]}\n")
