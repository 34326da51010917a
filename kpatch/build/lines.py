"""Keeps ``__LINE__`` of unpatched code: a ``#line`` behind each change of a patched file.

Without it a line added at the top changes every function below that passes its line number on
(ext4_error(), btrfs_abort_transaction()), and the hot patch grows by all of them.
Uses ``diff``.
"""

from __future__ import annotations

import re
from pathlib import Path

from kpatch.errors import RunError
from kpatch.run import run

__all__ = ["keep_line_numbers"]

#: the head of a change in diff's normal format: lines of the old file, what happens, lines of the new one
_CHANGE = re.compile(r"^(\d+)(?:,(\d+))?([acd])(\d+)(?:,(\d+))?$")


def keep_line_numbers(original: Path, patched: Path) -> bytes:
    """The text of ``patched``, its unchanged lines numbered as in ``original``.

    Raises :class:`RunError` when ``diff`` cannot compare them.
    """
    lines = patched.read_bytes().splitlines(keepends=True)
    for old, new in reversed(_resumptions(original, patched)):
        # A directive cannot stand in the middle of a continued line.
        if new <= len(lines) and not (new > 1 and lines[new - 2].rstrip(b"\r\n").endswith(b"\\")):
            lines.insert(new - 1, b"#line %d\n" % old)
    return b"".join(lines)


def _resumptions(original: Path, patched: Path) -> list[tuple[int, int]]:
    """Where unchanged text resumes behind each change: its line in the old and in the new file, from 1."""
    done = run(["diff", "--text", original, patched], check=False)
    if done.returncode > 1:
        raise RunError(f"diff cannot compare {original} with {patched}: {done.stderr.strip()}")
    found = []
    for line in done.stdout.splitlines():
        match = _CHANGE.match(line)
        if match:
            old, new = int(match[2] or match[1]), int(match[5] or match[4])
            found.append((old + 1, new + 1))
    return found
