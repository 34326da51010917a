"""The single step, and what stays of the old metadata."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rpmbuild.retention import carry_over
from rpmbuild.swap import exchange, sync_tree


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_text(name)
    return path


def test_two_directories_swap_names(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one", "a"), folder(tmp_path / "other", "b")
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange")
    assert (one / "b").exists()
    assert (other / "a").exists()
    sync_tree(tmp_path)


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        exchange(folder(tmp_path / "one"), tmp_path / "other")


def test_old_metadata_stays_for_a_while(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", "1-primary", "2-primary", "3-primary", "repomd.xml", "same")
    new = folder(tmp_path / "new", "same", "repomd.xml")
    now = time.time()
    os.utime(old / "1-primary", (now - 7200, now - 7200))  # retired two hours ago
    os.utime(old / "2-primary", (now - 60, now - 60))
    os.utime(old / "3-primary", (now - 7200, now - 7200))  # old, but in use until now
    assert carry_over(old, new, {"3-primary"}, 3600) == ["2-primary", "3-primary"]
    assert (new / "3-primary").stat().st_mtime >= now - 1
    assert (new / "repomd.xml").read_text() == "repomd.xml"
    assert not (new / "1-primary").exists()


def test_nothing_stays_when_nothing_shall(tmp_path: Path) -> None:
    old, new = folder(tmp_path / "old", "1-primary"), folder(tmp_path / "new")
    assert carry_over(old, new, {"1-primary"}, 0) == []
