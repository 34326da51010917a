"""``#line`` directives: unchanged code keeps its numbers, the text stays what it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kpatch.build.lines import keep_line_numbers

LINES = st.lists(st.sampled_from(["a", "b", "int c;", "#define M \\", "--", "<"]), max_size=12)


def _kept(directory: Path, old: str, new: str) -> bytes:
    (directory / "old.c").write_text(old)
    (directory / "new.c").write_text(new)
    return keep_line_numbers(directory / "old.c", directory / "new.c")


def test_code_behind_an_added_line_keeps_its_number(tmp_path: Path) -> None:
    kept = _kept(tmp_path, "one\ntwo\nint x = __LINE__;\n", "one\nnew\nnew\ntwo\nint x = __LINE__;\n")
    (tmp_path / "kept.c").write_bytes(kept)
    done = subprocess.run(["gcc", "-E", "-P", tmp_path / "kept.c"], capture_output=True, text=True, check=True)
    assert "int x = 3;" in done.stdout


def test_no_directive_inside_of_a_continued_line(tmp_path: Path) -> None:
    kept = _kept(tmp_path, "#define M \\\n\tone\nx\n", "#define M \\\n\tnew; \\\n\tone\nx\n")
    assert b"\\\n#line" not in kept


@given(old=LINES, new=LINES)
def test_without_the_directives_it_is_the_patched_text(
    old: list[str], new: list[str], tmp_path_factory: object
) -> None:
    directory = tmp_path_factory.mktemp("lines")  # type: ignore[attr-defined]
    text = "".join(line + "\n" for line in new)
    kept = _kept(directory, "".join(line + "\n" for line in old), text)
    assert b"".join(line for line in kept.splitlines(keepends=True) if not line.startswith(b"#line")) == text.encode()
