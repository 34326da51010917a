"""The command line of kpatch-build: its options, its man page, its bad input."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kpatch.cli.build import OPTIONS

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/kpatch-build.1").read_text()


def kpatch_build(*args: str | Path, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "kpatch.cli.build", *map(str, args)]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(TOP)})


def documented() -> set[str]:
    """All options that a tagged paragraph of the man page begins with."""
    tagged = re.findall(r"^\.TP\n(\..*)$", PAGE, re.MULTILINE)
    return {match for line in tagged for match in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", line.replace("\\-", "-"))}


def test_the_man_page_documents_exactly_the_options() -> None:
    declared = {flag for option in OPTIONS for flag in option.flags} | {"-h", "--help", "--version"}
    assert documented() == declared


def test_the_help_names_every_option_and_exit_status() -> None:
    done = kpatch_build("--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for option in OPTIONS for flag in option.flags)
    assert "exit status:" in done.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "give one or more patches"),
        (("--core", "x.patch"), "takes no patches"),
        (("--core", "--interface", "livepatch"), "livepatch modules do not need"),
        (("--interface", "klp", "x.patch"), "invalid choice: 'klp'"),
        (("--nonsense",), "unrecognized arguments"),
        (("-j", "0", "x.patch"), "at least one process"),
        (("-s", "nosuch", "x.patch"), "nosuch is not a directory"),
        (("-s", ".", "--source", "x.tar", "x.patch"), "both name the source"),
        (("nosuch.patch",), "nosuch.patch"),
        (("-n", "a b", "x.patch"), "cannot be the name"),
        (("--rpm", "--cve", "CVE-1", "x.patch"), "CVE-1"),
        (("--rpm", "--rpm-version", "1-2", "x.patch"), "1-2"),
        (("-o", "no/such/dir/x.ko", "x.patch"), "no/such/dir"),
    ],
)
def test_bad_usage_is_one_error_with_status_1(tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    done = kpatch_build(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_is_not_there_is_told_with_all_places(tmp_path: Path) -> None:
    patch = tmp_path / "x.patch"
    patch.write_text("--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1 +1 @@\n-a\n+b\n")
    done = kpatch_build("--kernel", "9.9.9-1-none", "--kernel-root", tmp_path, patch, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/boot/vmlinuz-9.9.9-1-none" in done.stderr
    assert "linux-headers-9.9.9-1-none" in done.stderr
    assert done.stderr.count("error:") == 1
