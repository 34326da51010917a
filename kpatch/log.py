"""Logging for all commands: one logger tree, messages to stderr, debug on request.

Runs on Python 3.6.
"""

import logging
import sys
from typing import Optional, TextIO

__all__ = ["logger", "setup"]

logger = logging.getLogger("kpatch")


def setup(prog: str, verbosity: int = 0, stream: Optional[TextIO] = None) -> None:
    """Send the messages of ``kpatch.*`` to ``stream`` (default stderr), prefixed with ``prog``.

    ``verbosity``: -1 warnings only, 0 information, 1 and more debug.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter(prog + ": %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    levels = {-1: logging.WARNING, 0: logging.INFO}
    logger.setLevel(levels.get(max(verbosity, -1), logging.DEBUG))
