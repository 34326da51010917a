"""Try again later: a timer of systemd that runs while a patch waits for a task to leave a function."""

import os

from kpatch.errors import KpatchError
from kpatch.host.paths import Paths
from kpatch.host.state import State
from kpatch.log import logger
from kpatch.run import run

__all__ = ["TIMER", "schedule"]

TIMER = "kpatch-retry.timer"
_UNIT_DIRS = ("usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system")


def schedule(paths: Paths, state: State, wanted: bool) -> bool:
    """Start the timer when ``wanted``, stop it when it runs and is not wanted; does it run now?

    Without systemd, or without the unit, there is no timer: the next transaction or boot tries again.
    """
    if not wanted and not state.retrying:
        return False
    if not os.path.isdir(paths.under("run/systemd/system")):
        return False
    if not any(os.path.exists(paths.under(os.path.join(folder, TIMER))) for folder in _UNIT_DIRS):
        return False
    try:
        run(["systemctl", "--no-block", "start" if wanted else "stop", TIMER], timeout=20)
    except KpatchError as error:
        logger.warning("cannot %s %s: %s", "start" if wanted else "stop", TIMER, error)
        return False
    state.retrying = wanted
    return wanted
