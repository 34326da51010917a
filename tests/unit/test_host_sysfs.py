"""What the two interfaces show, and what livepatch needs: its transition has an end, or is taken back."""

from __future__ import annotations

import pytest

from kpatch.errors import InUse, Refused
from kpatch.host import loader, report, status, sysfs, wait
from kpatch.host.modinfo import read_modinfo
from tests.unit.host_machine import RELEASE, Machine, machine, module_bytes, patch_bytes

__all__ = ["machine"]


def livepatch(machine: Machine, name: str, enabled: str, transition: str) -> None:
    machine.write(f"sys/kernel/livepatch/{name}/enabled", enabled + "\n")
    machine.write(f"sys/kernel/livepatch/{name}/transition", transition + "\n")


def test_no_interface_at_all(machine: Machine) -> None:
    assert sysfs.core_version(machine.paths) is None
    assert sysfs.loaded(machine.paths) == {}
    assert sysfs.last_refusal(machine.paths, "x") is None


@pytest.mark.parametrize(
    ("enabled", "transition", "state", "active"),
    [("1", "0", "enabled", True), ("1", "1", "enabling", True), ("0", "1", "disabling", False)],
)
def test_states_of_livepatch(machine: Machine, enabled: str, transition: str, state: str, active: bool) -> None:
    livepatch(machine, "livepatch_a", enabled, transition)
    patch = sysfs.loaded(machine.paths)["livepatch_a"]
    assert (patch.interface, patch.state, patch.active) == ("livepatch", state, active)


def test_core_patch(machine: Machine) -> None:
    folder = "sys/kernel/kpatch/kpatch_a/"
    for name, value in (("enabled", "1"), ("state", "enabled"), ("checksum", "ab"), ("vmlinux/f,0/method", "ops")):
        machine.write(folder + name, value + "\n")
    machine.write("sys/kernel/kpatch/version", "1.0.0\n")
    assert sysfs.core_version(machine.paths) == "1.0.0"
    assert sysfs.loaded(machine.paths) == {"kpatch_a": sysfs.LoadedPatch("kpatch_a", "core", "enabled", "ab", 1, [])}


def test_a_patch_for_a_module_that_is_not_loaded_says_so(machine: Machine) -> None:
    folder = "sys/kernel/kpatch/kpatch_a/"
    values = (("enabled", "1"), ("state", "enabled"), ("vmlinux/patched", "1"), ("ext4/patched", "0"))
    for name, value in (*values, ("ext4/f,0/method", "none")):
        machine.write(folder + name, value + "\n")
    assert sysfs.loaded(machine.paths)["kpatch_a"].waits_for == ["ext4"]
    shown = report.list_lines(status.loaded_facts(machine.paths), [])
    assert shown[:2] == ["Loaded patch modules:", "kpatch_a [enabled]"] and shown[-1] == "kpatch_a for ext4"
    assert any(line.endswith("waits for module ext4") for line in report.status_lines(status.facts(machine.paths)))
    machine.write(folder + "ext4/patched", "1\n")
    assert report.list_lines(status.loaded_facts(machine.paths), [])[-1] == "Installed patch modules:"
    machine.write(folder + "ext4/patched", "0\n")
    machine.write(folder + "state", "disabled\n")
    assert sysfs.loaded(machine.paths)["kpatch_a"].waits_for == []


def test_refusal_of_another_patch_is_not_ours_and_odd_lines_do_not_hurt(machine: Machine) -> None:
    machine.refusal("patch: kpatch_a\nerrno: x\nreason: in use: really\nblocker: \nblocker: 1\nnonsense\n: \n")
    assert sysfs.last_refusal(machine.paths, "kpatch_b") is None
    refusal = sysfs.last_refusal(machine.paths, "kpatch_a")
    assert refusal is not None
    assert (refusal.errno, refusal.reason) == (0, "in use: really")
    assert refusal.blockers == [sysfs.Blocker(1, "", "", "")]


@pytest.mark.parametrize(
    ("blocker", "text"),
    [
        (sysfs.Blocker(7, "a b", "f", "-"), "a b (pid 7) in f"),
        (sysfs.Blocker(7, "x", "f", "msleep+0x20/0x40"), "x (pid 7) in f, waiting in msleep"),
        (sysfs.Blocker(7, "x", "(unreliable stack)", "g+0x1/0x2"), "x (pid 7) (unreliable stack), waiting in g"),
        (sysfs.Blocker(7, "x", "", ""), "x (pid 7)"),
    ],
)
def test_blocker_as_text(blocker: sysfs.Blocker, text: str) -> None:
    assert str(blocker) == text


def livepatch_module(machine: Machine) -> str:
    fields = ["livepatch=Y", f"vermagic={RELEASE} SMP", "name=livepatch_a"]
    return str(machine.write("livepatch-a.ko", module_bytes(fields)))


def test_livepatch_module_on_a_kernel_without_livepatch(machine: Machine) -> None:
    with pytest.raises(Refused, match="livepatch"):
        loader.load(machine.paths, read_modinfo(livepatch_module(machine)))


def test_a_busy_livepatch_is_not_said_to_be_a_function_in_use(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.write("sys/kernel/livepatch/other/enabled", "1\n")
    machine.answers(*["Device or resource busy"] * 9)
    monkeypatch.setattr(wait, "sleep", lambda seconds: None)
    with pytest.raises(InUse, match="another hot patch redirects one of its functions"):
        loader.load(machine.paths, read_modinfo(livepatch_module(machine)))


def test_stalled_transition_is_taken_back_and_names_the_task(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    livepatch(machine, "livepatch_a", "1", "1")
    machine.write("proc/812/task/812/patch_state", "0\n")
    machine.write("proc/812/task/812/comm", "reader\n")
    machine.write("proc/812/task/812/stack", "[<0>] msleep+0x2d/0x40\n[<0>] show+0x1/0x2\n")
    machine.write("proc/9/task/9/patch_state", "1\n")
    machine.write("proc/10/task/10/patch_state", "-1\n")
    machine.write("sys/kernel/kpatch/x", "")
    monkeypatch.setattr(loader, "TRANSITION_TIMEOUT", 0.0)
    monkeypatch.setattr(wait, "sleep", lambda seconds: None)
    with pytest.raises(InUse, match=r"reader \(pid 812\), waiting in msleep"):
        loader.load(machine.paths, read_modinfo(livepatch_module(machine)))
    assert machine.read("sys/kernel/livepatch/livepatch_a/enabled") == "0\n"


def later(machine: Machine, monkeypatch: pytest.MonkeyPatch, state: str, then: str) -> None:
    """The core module has put off a switch of kpatch_a: its state becomes ``then`` while somebody waits for it."""
    machine.write("sys/kernel/kpatch/kpatch_a/enabled", "1\n" if state == "disabling" else "0\n")
    machine.write("sys/kernel/kpatch/kpatch_a/state", f"{state}\n")
    monkeypatch.setattr(
        wait, "sleep", lambda seconds: machine.write("sys/kernel/kpatch/kpatch_a/state", f"{then}\n") and None
    )


@pytest.mark.parametrize(
    ("state", "then", "verb"), [("disabling", "disabled", "disable"), ("enabling", "enabled", "enable")]
)
def test_a_switch_that_the_core_module_makes_later_is_waited_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, state: str, then: str, verb: str
) -> None:
    later(machine, monkeypatch, state, then)
    getattr(loader, verb)(machine.paths, sysfs.loaded(machine.paths)["kpatch_a"])
    assert machine.state("kpatch_a") == then


def test_a_switch_that_the_core_module_gave_up_is_one_of_a_function_in_use(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(machine, monkeypatch, "disabling", "enabled")
    machine.refusal(
        "patch: kpatch_a\nerrno: 16\nreason: in use by 1 task\nblocker: 7\tcat\tvfs_write\tpipe_write+0x1/0x2\n"
    )
    with pytest.raises(InUse, match=r"cannot disable kpatch_a: in use by cat \(pid 7\) in vfs_write"):
        loader.disable(machine.paths, sysfs.loaded(machine.paths)["kpatch_a"])


def test_patch_of_another_kernel_names_both(machine: Machine) -> None:
    path = machine.write("kpatch-a.ko", patch_bytes("a", release="6.1.0-55-amd64"))
    with pytest.raises(Refused, match=f"built for kernel 6.1.0-55-amd64, but {RELEASE} is running"):
        loader.load(machine.paths, read_modinfo(str(path)))
    assert machine.calls == []
