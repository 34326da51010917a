"""The one door to the outside: every process that the project starts is started here.

List arguments, no shell, stdin closed, a clean C.UTF-8 environment, and on failure the
command line in a form that can be pasted.  Runs on Python 3.6.
"""

import contextlib
import os
import shlex
import signal
import subprocess
from typing import Dict, List, Mapping, Optional, Sequence, Union

from kpatch.errors import RunError
from kpatch.log import logger

__all__ = ["INHERITED", "Completed", "PathLike", "clean_env", "quote", "run"]

Completed = subprocess.CompletedProcess
PathLike = Union[str, "os.PathLike[str]"]

INHERITED = frozenset(
    ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "GNUPGHOME", "SOURCE_DATE_EPOCH")
)
"""What child processes get of our environment."""

_TAIL_LINES = 20
_GRACE = 2.0
"""Seconds that a process group has between SIGTERM and SIGKILL."""


def clean_env(extra: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """The environment of child processes: a short list from ours, C.UTF-8, and ``extra``."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    env["LANG"] = env["LC_ALL"] = "C.UTF-8"
    env.update(extra or {})
    return env


def quote(argv: Sequence[PathLike]) -> str:
    """``argv`` as one line that a shell would take."""
    return " ".join(shlex.quote(os.fspath(arg)) for arg in argv)


def run(
    argv: Sequence[PathLike],
    cwd: Optional[PathLike] = None,
    env: Optional[Mapping[str, str]] = None,
    check: bool = True,
    stdin: Optional[str] = None,
    timeout: Optional[float] = None,
    shown: Optional[Sequence[PathLike]] = None,
) -> "subprocess.CompletedProcess[str]":
    """Run ``argv`` to its end and return it with stdout and stderr as text.

    ``timeout`` is in seconds.  ``shown`` stands for ``argv`` in messages, where that only leads to what the
    caller means.  Raises :class:`RunError` when the program is missing, runs out
    of time, or (with ``check``) exits with a status other than 0.
    """
    args: List[str] = [os.fspath(arg) for arg in argv]
    told = quote(shown or args)
    logger.debug("running %s", told)
    try:
        process = subprocess.Popen(
            args,
            cwd=None if cwd is None else os.fspath(cwd),
            env=clean_env(env),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
            start_new_session=True,
        )
        done = _finish(process, args, stdin, timeout)
    except FileNotFoundError as error:
        raise RunError("cannot run {}: {}".format(args[0], error), "install the package that provides it") from error
    except subprocess.TimeoutExpired as error:
        raise RunError("no end after {} s: {}".format(timeout, told)) from error
    if check and done.returncode != 0:
        tail = (done.stderr or done.stdout).strip().splitlines()[-_TAIL_LINES:]
        raise RunError("exit status {} from: {}\n{}".format(done.returncode, told, "\n".join(tail)))
    return done


def _finish(
    process: "subprocess.Popen[str]", args: List[str], stdin: Optional[str], timeout: Optional[float]
) -> "subprocess.CompletedProcess[str]":
    """Wait for ``process``; when that is cut short (Ctrl-C, SIGTERM, timeout) end all that it started."""
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except BaseException:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_GRACE)
            raise
    return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)
