"""Which hunks a real fix is made of, and that they make a diff that patch(1) takes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.fixes_diff import Changes

LINES = [f"int line_{number};\n" for number in range(40)]
HEADER_NEW = ["int at_start;\n", *LINES[:20], "int dev_, in_the_middle;\n", *LINES[20:], "int at_end;\n"]


@pytest.fixture
def changes(tmp_path: Path) -> Changes:
    for top, header, source in (("old", LINES, "int a;\n"), ("new", HEADER_NEW, "int a = at_end;\n")):
        (tmp_path / top).mkdir()
        (tmp_path / top / "x.h").write_text("".join(header))
        (tmp_path / top / "x.c").write_text(source)
        (tmp_path / top / "same.h").write_text("int same;\n")
    return Changes(tmp_path / "old", tmp_path / "new", "x.c")


def patched(changes: Changes, tmp_path: Path) -> str:
    """The header with the chosen hunks applied."""
    tree = tmp_path / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(changes.old, tree)
    subprocess.run(["patch", "-s", "-p1", "-d", tree], input=changes.text(), text=True, check=True)
    assert (tree / "x.c").read_bytes() == (changes.new / "x.c").read_bytes()
    return (tree / "x.h").read_text()


def test_the_file_alone(changes: Changes, tmp_path: Path) -> None:
    assert changes.names == ["x.c"]
    assert patched(changes, tmp_path) == "".join(LINES)


def test_only_the_hunks_that_add_the_word(changes: Changes, tmp_path: Path) -> None:
    assert changes.add_words("x.h", {"at_end", "line_3"})
    assert patched(changes, tmp_path) == "".join([*LINES, "int at_end;\n"])
    assert not changes.add_words("x.h", {"at_end", "line_3"})
    assert changes.names == ["x.c", "x.h"]


def test_a_name_that_a_macro_pastes_together(changes: Changes, tmp_path: Path) -> None:
    assert not changes.add_words("x.h", {"dev_in_the_middle"})
    assert changes.add_parts("x.h", {"dev_in_the_middle"})
    assert patched(changes, tmp_path) == "".join([*LINES[:20], "int dev_, in_the_middle;\n", *LINES[20:]])


def test_all_of_a_file_and_nothing_of_one_that_is_the_same_or_missing(changes: Changes, tmp_path: Path) -> None:
    assert changes.add_whole("x.h")
    assert patched(changes, tmp_path) == "".join(HEADER_NEW)
    assert not changes.add_whole("same.h")
    assert not changes.add_whole("missing.h")
    assert changes.names == ["x.c", "x.h"]
