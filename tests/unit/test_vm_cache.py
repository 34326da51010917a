"""The cache of the virtual-machine tests: complete entries only, made once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.vm import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_an_entry_is_made_once_even_by_runs_at_once() -> None:
    made: list[Path] = []

    def make(directory: Path) -> None:
        made.append(directory)
        (directory / "file").write_text("content")

    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(cache.entry("kind", "key", make))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert {(path / "file").read_text() for path in found} == {"content"}


def test_a_failure_leaves_nothing_behind() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        cache.entry("kind", "key", fail)
    assert [path.name for path in (cache.cache_dir() / "kind").iterdir()] == [".key.lock"]
    assert cache.entry("kind", "key", lambda directory: None).is_dir(), "the next run may try again"


def test_old_entries_make_room() -> None:
    for number in range(cache.KEEP_ENTRIES + 2):
        cache.entry("kind", str(number), lambda directory: None)
    left = {path.name for path in (cache.cache_dir() / "kind").iterdir() if not path.name.startswith(".")}
    assert left == {str(number) for number in range(2, cache.KEEP_ENTRIES + 2)}


def test_a_key_knows_where_one_part_ends() -> None:
    assert cache.key_of("ab", "c") != cache.key_of("a", "bc")
    assert cache.key_of("a", b"b") == cache.key_of("a", "b")
