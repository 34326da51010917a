"""The error boundary that all commands share: one line and a hint instead of a traceback.

Runs on Python 3.6: the patched machine uses it too.  Exit codes: docs/exit-codes.md.
"""

import argparse
import contextlib
import errno
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Callable, NoReturn, Optional

from kpatch.errors import EXIT_ERROR, EXIT_INTERRUPTED, KpatchError

__all__ = ["EXIT_TERMINATED", "Parser", "entry", "print_error"]

EXIT_TERMINATED = 128 + signal.SIGTERM

_SYSTEM_HINTS = {
    errno.ENOSPC: "free some space on that file system and run the command again; nothing half-written was left",
    errno.EDQUOT: "the disk quota is used up: free some space and run the command again",
    errno.EROFS: "the file system is read-only; choose another directory or remount it",
    errno.EACCES: "run the command as a user who may do that (root, for the kernel)",
    errno.EPERM: "run the command as root",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors exit with 1: 2 has another meaning here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print_error(self.prog, message, "see {} --help".format(self.prog))
        sys.exit(EXIT_ERROR)


class _Terminated(BaseException):
    """SIGTERM came: unwind as for Ctrl-C, so that locks and temporary files go."""


def entry(prog: str, func: Callable[[], int]) -> int:
    """Run ``func`` and return the exit code of the command ``prog``; print what went wrong.

    Expected failures become ``PROG: error: ...`` and ``PROG: hint: ...`` on stderr.  Anything else is a bug: one
    line too, with the way to its traceback (``KPATCH_DEBUG=1``).
    """
    _unwind_on_sigterm()
    try:
        code = func()
        sys.stdout.flush()
        return code
    except KpatchError as error:
        _traceback_if_asked()
        print_error(prog, error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt:
        print_error(prog, "interrupted")
        return EXIT_INTERRUPTED
    except _Terminated:
        print_error(prog, "terminated")
        return EXIT_TERMINATED
    except BrokenPipeError:
        return _quiet_stdout()
    except OSError as error:
        _traceback_if_asked()
        print_error(prog, _system_message(error), _SYSTEM_HINTS.get(error.errno or 0))
        return EXIT_ERROR
    except Exception as error:
        _traceback_if_asked()
        print_error(
            prog,
            "internal error: {}: {}".format(type(error).__name__, error),
            "this is a bug in {}; run it again with KPATCH_DEBUG=1 for the traceback and report it".format(prog),
        )
        return EXIT_ERROR


def print_error(prog: str, message: str, hint: Optional[str] = None) -> None:
    """Print ``PROG: error: message`` and the hint to stderr; a closed stderr is no error of its own."""
    with contextlib.suppress(OSError, ValueError):
        print("{}: error: {}".format(prog, message), file=sys.stderr)
        if hint:
            print("{}: hint: {}".format(prog, hint), file=sys.stderr)
        sys.stderr.flush()


def _system_message(error: OSError) -> str:
    """``No space left on device: '/x'`` without the number that Python puts before it."""
    message = error.strerror or str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return message if not names else "{}: {}".format(" -> ".join(names), message)


def _traceback_if_asked() -> None:
    if os.environ.get("KPATCH_DEBUG"):
        traceback.print_exc()


def _quiet_stdout() -> int:
    """The reader of our output went away (``| head``): no message, and none at interpreter exit."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    return EXIT_ERROR


def _unwind_on_sigterm() -> None:
    def terminate(_number: int, _frame: Optional[FrameType]) -> None:
        raise _Terminated()

    with contextlib.suppress(ValueError):  # not the main thread: the default action stays
        signal.signal(signal.SIGTERM, terminate)
