"""The state file, the lock, and what is written beside: seen whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.errors import KpatchError
from kpatch.host import wait
from kpatch.host.files import write_beside
from kpatch.host.lock import Lock
from kpatch.host.modinfo import read_modinfo
from kpatch.host.state import State
from tests.unit.host_machine import Machine, machine, patch_bytes

__all__ = ["machine"]


def test_state_is_read_back_and_written_only_when_changed(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "kpatch-a.ko"
    file.write_bytes(patch_bytes("a", cves="CVE-2024-1"))
    state = State(machine.paths)
    state.save()
    path = machine.root / "run/kpatch/state.json"
    assert not path.exists()
    state.learn(read_modinfo(str(file)), managed=True)
    state.failures["kpatch_b"] = "in use"
    state.save()
    again = State(machine.paths)
    assert again.known["kpatch_a"].managed and again.known["kpatch_a"].cves == ["CVE-2024-1"]
    assert again.failures == {"kpatch_b": "in use"}
    stamp = path.stat().st_ino
    again.save()
    assert path.stat().st_ino == stamp


def test_managed_is_not_lost_when_the_same_build_is_loaded_by_hand(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "kpatch-a.ko"
    file.write_bytes(patch_bytes("a"))
    state = State(machine.paths)
    state.learn(read_modinfo(str(file)), managed=True)
    state.learn(read_modinfo(str(file)), managed=False)
    assert state.known["kpatch_a"].managed


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 9}', '{"format": 1, "known": [1]}', "null", '"x"'])
def test_damaged_state_is_forgotten(machine: Machine, text: str) -> None:
    machine.write("run/kpatch/state.json", text)
    state = State(machine.paths)
    assert (state.known, state.failures, state.retrying) == ({}, {}, False)


def test_lock_is_free_again_after_an_error(machine: Machine) -> None:
    with pytest.raises(ZeroDivisionError), Lock(machine.paths):
        raise ZeroDivisionError
    with Lock(machine.paths, timeout=0):
        pass


def test_lock_where_the_directory_cannot_be_made(machine: Machine) -> None:
    machine.write("run/kpatch", "a file")
    with pytest.raises((KpatchError, OSError)):
        Lock(machine.paths).__enter__()


def test_write_beside_keeps_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_beside(str(path), "text")  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_wait_says_so_after_two_seconds(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from kpatch.log import logger

    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr(wait, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level("INFO", logger="kpatch"):
        assert wait.until(lambda: clock[0] > 1.0, 10, "x")
        assert caplog.messages == []
        assert not wait.until(lambda: False, 10, "the last task")
    assert caplog.messages == ["waiting for the last task (at most 10 s)"]
