"""The exception tree: every failure a user can meet, with its exit code and remedy.

Libraries raise these; only :mod:`kpatch.cli` prints them and exits (docs/exit-codes.md).
Runs on Python 3.6: the patched machine uses it too.
"""

from typing import Optional

__all__ = [
    "EXIT_BUSY",
    "EXIT_ERROR",
    "EXIT_INTERRUPTED",
    "EXIT_LOCKED",
    "EXIT_REFUSED",
    "EXIT_UNCHANGED",
    "EXIT_UNPATCHABLE",
    "BadInput",
    "InUse",
    "KpatchError",
    "Locked",
    "MismatchError",
    "Refused",
    "RunError",
    "Unchanged",
    "Unpatchable",
]

EXIT_ERROR = 1
EXIT_UNPATCHABLE = 2
EXIT_UNCHANGED = 3
EXIT_BUSY = 10
EXIT_REFUSED = 11
EXIT_LOCKED = 12
EXIT_INTERRUPTED = 130


class KpatchError(Exception):
    """Base of all expected failures: ``message`` says what, to what and why; ``hint`` what to do."""

    exit_code = EXIT_ERROR

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class BadInput(KpatchError):
    """The input is missing, damaged or not what it claims to be."""


class RunError(KpatchError):
    """A program that we called failed; the message holds its command line and last output."""


class Unpatchable(KpatchError):
    """The change cannot be made to a running kernel soundly."""

    exit_code = EXIT_UNPATCHABLE


class MismatchError(Unpatchable):
    """What was rebuilt is not what the vendor shipped (design: vendor match)."""


class Unchanged(KpatchError):
    """The patch changes no code of this kernel."""

    exit_code = EXIT_UNCHANGED


class InUse(KpatchError):
    """Tasks run in functions that would be switched; nothing was changed, try again later."""

    exit_code = EXIT_BUSY


class Refused(KpatchError):
    """The kernel or the core module refused: other build, signature, conflict, damage."""

    exit_code = EXIT_REFUSED


class Locked(KpatchError):
    """Another run holds the lock."""

    exit_code = EXIT_LOCKED
