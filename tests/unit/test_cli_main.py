"""The error boundary: whatever happens, the user sees one line and a documented exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kpatch.cli.main import Parser, entry
from kpatch.errors import (
    BadInput,
    InUse,
    KpatchError,
    Locked,
    MismatchError,
    Refused,
    RunError,
    Unchanged,
    Unpatchable,
)

TOP = Path(__file__).resolve().parents[2]


def fail(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KpatchError("x"), 1),
        (BadInput("x"), 1),
        (RunError("x"), 1),
        (Unpatchable("x"), 2),
        (MismatchError("x"), 2),
        (Unchanged("x"), 3),
        (InUse("x"), 10),
        (Refused("x"), 11),
        (Locked("x"), 12),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "/a"), 1),
    ],
)
def test_exit_codes_are_the_documented_ones(error: BaseException, code: int) -> None:
    assert entry("kpatch", lambda: fail(error)) == code
    table = (TOP / "docs/exit-codes.md").read_text()
    assert f"| {code} |" in table
    if isinstance(error, KpatchError):
        assert type(error).__name__ in table


def test_message_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    entry("kpatch-x", lambda: fail(BadInput("a is b", "do c")))
    assert capsys.readouterr().err == "kpatch-x: error: a is b\nkpatch-x: hint: do c\n"


def test_system_errors_name_the_file_and_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    entry("k", lambda: fail(OSError(errno.ENOSPC, "No space left on device", "/a/b")))
    err = capsys.readouterr().err
    assert err.startswith("k: error: /a/b: No space left on device\n")
    assert "hint: free some space" in err


def test_bug_is_one_line_unless_asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entry("k", lambda: fail(ZeroDivisionError("oops")))
    err = capsys.readouterr().err
    assert "k: error: internal error: ZeroDivisionError: oops" in err
    assert "KPATCH_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("KPATCH_DEBUG", "1")
    entry("k", lambda: fail(ZeroDivisionError("oops")))
    assert "Traceback" in capsys.readouterr().err


def test_usage_error_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        Parser(prog="k").parse_args(["--nonsense"])
    assert caught.value.code == 1
    assert "k: error: unrecognized arguments: --nonsense" in capsys.readouterr().err


def child(code: str) -> subprocess.Popen[str]:
    program = f"import sys, time\nfrom kpatch.cli.main import entry\ndef f():\n {code}\nsys.exit(entry('k', f))"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_unwind_and_say_one_line(number: int, code: int, word: str) -> None:
    # Programs in the background of a shell without job control ignore SIGINT: not what is asked here.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = child("try:\n  print('up', flush=True)\n  time.sleep(60)\n finally:\n  print('cleaned', flush=True)")
    signal.signal(signal.SIGINT, previous)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "cleaned\n", f"k: error: {word}\n")


def test_reader_that_goes_away_gets_no_traceback() -> None:
    process = child("[print('x' * 1000, flush=True) for _ in range(10000)]")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(timeout=30)
