"""Waiting with a word to the user: silence for two seconds, then one message."""

import time
from typing import Callable

from kpatch.log import logger

__all__ = ["SILENCE", "sleep", "until"]

SILENCE = 2.0
"""Seconds after which a wait is announced."""

sleep = time.sleep


def until(ready: Callable[[], bool], timeout: float, what: str) -> bool:
    """Poll ``ready`` for at most ``timeout`` seconds; was it true in time?  ``what`` names it in the message."""
    start = time.monotonic()
    pause = 0.01
    announced = False
    while not ready():
        passed = time.monotonic() - start
        if passed >= timeout:
            return False
        if passed >= SILENCE and not announced:
            announced = True
            logger.info("waiting for %s (at most %d s)", what, timeout)
        sleep(pause)
        pause = min(pause * 2, 0.25)
    return True
