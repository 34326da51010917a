"""The context guard: each place that is not the running machine, by the marks that it leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kpatch.host import guard
from tests.unit.host_machine import Machine, machine

__all__ = ["machine"]


def chroot(machine: Machine) -> None:
    (machine.root / "proc/1/root").unlink()
    (machine.root / "proc/1/root").symlink_to("/")


def no_proc(machine: Machine) -> None:
    (machine.root / "proc/self/status").unlink()


PLACES: list[tuple[str, Callable[[Machine], object]]] = [
    ("chroot", chroot),
    ("/proc is not mounted", no_proc),
    ("container", lambda m: m.write("run/.containerenv", "")),
    ("container", lambda m: m.write(".dockerenv", "")),
    ("container", lambda m: m.write("run/systemd/container", "systemd-nspawn\n")),
    ("container", lambda m: m.write("proc/1/environ", "HOME=/\0container=lxc\0")),
    ("CAP_SYS_MODULE", lambda m: m.write("proc/self/status", "CapEff:\t000001fffffeffff\n")),
    ("Anaconda", lambda m: m.write("run/anaconda/x", "")),
    ("Anaconda", lambda m: m.write("proc/cmdline", "quiet inst.ks=hd:LABEL=x\n")),
    ("offline update", lambda m: m.write("proc/cmdline", "systemd.unit=system-update.target\n")),
    ("image-based", lambda m: m.write("run/ostree-booted", "")),
]


def test_the_machine_itself(machine: Machine) -> None:
    assert guard.reason(machine.paths) is None
    assert guard.reason(machine.paths, boot=True) is None


@pytest.mark.parametrize(("words", "change"), PLACES, ids=[f"{n}-{words}" for n, (words, _) in enumerate(PLACES)])
def test_other_places(machine: Machine, words: str, change: Callable[[Machine], object]) -> None:
    change(machine)
    assert words in (guard.reason(machine.paths) or "")


def test_release_upgrade(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAPP_IPU_IN_PROGRESS", "8to9")
    assert "LEAPP" in (guard.reason(machine.paths) or "")


def test_kill_switch_counts_at_boot_only(machine: Machine) -> None:
    machine.write("proc/cmdline", "ro kpatch.enable=0 quiet\n")
    assert guard.reason(machine.paths) is None
    assert "kpatch.enable=0" in (guard.reason(machine.paths, boot=True) or "")
    machine.write("proc/cmdline", "ro kpatch.enable=01 quiet\n")
    assert guard.reason(machine.paths, boot=True) is None


def test_image_based_system_loads_at_boot(machine: Machine) -> None:
    machine.write("run/ostree-booted", "")
    assert guard.reason(machine.paths, boot=True) is None
