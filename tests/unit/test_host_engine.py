"""The apply engine: what is installed comes into the kernel, once, in order, and nothing else changes."""

from __future__ import annotations

import json

import pytest

from kpatch.build.signature import MARKER
from kpatch.errors import EXIT_BUSY, EXIT_REFUSED, Locked
from kpatch.host import engine, report
from kpatch.host.lock import Lock
from tests.unit.host_machine import RELEASE, Machine, machine, patch_bytes

__all__ = ["machine"]

V1, V2 = "6_1_0-56-1-1", "6_1_0-56-1-2"
NAME1, NAME2 = "kpatch_6_1_0_56_1_1", "kpatch_6_1_0_56_1_2"
BUSY = "Device or resource busy"


def actions(outcome: engine.Outcome) -> list[tuple[str, str, bool]]:
    return [(result.patch, result.action, result.ok) for result in outcome.results]


def test_installed_patch_is_loaded_with_the_core_module_and_only_once(machine: Machine) -> None:
    machine.package(V1, cves="CVE-2024-1")
    outcome = engine.apply(machine.paths)
    assert actions(outcome) == [(NAME1, "loaded", True)]
    assert report.outcome_lines(outcome) == [f"{NAME1} loaded: 1 function, fixes CVE-2024-1"]
    assert machine.calls == ["modprobe kpatch", "insmod kpatch.ko", f"insmod kpatch-{V1}.ko"]
    again = engine.apply(machine.paths)
    assert actions(again) == [(NAME1, "kept", True)]
    assert report.outcome_lines(again, everything=False) == []
    assert machine.calls == []


def test_nothing_installed_means_nothing_done(machine: Machine) -> None:
    assert engine.apply(machine.paths) == engine.Outcome(None, [])
    assert machine.calls == []
    assert not (machine.root / "run/kpatch/state.json").exists()


def test_update_replaces_and_removes_the_old_module_afterwards(machine: Machine) -> None:
    machine.package(V1)
    engine.apply(machine.paths)
    old = machine.root / f"usr/lib/kpatch/{RELEASE}/kpatch-{V1}.ko"
    old.unlink()
    machine.package(V2, checksum="bb")
    machine.calls  # noqa: B018
    outcome = engine.apply(machine.paths)
    assert actions(outcome) == [(NAME2, "loaded", True)]
    assert outcome.results[0].message.endswith(f"replaces {NAME1}")
    assert machine.calls == [f"insmod kpatch-{V2}.ko", f"rmmod {NAME1}"]
    assert machine.modules == ["kpatch", NAME2]


def test_of_two_versions_only_the_newer_is_loaded(machine: Machine) -> None:
    machine.package("6_1_0-56-1-9")
    machine.package("6_1_0-56-1-10")
    engine.apply(machine.paths)
    assert machine.modules == ["kpatch", "kpatch_6_1_0_56_1_10"]


def test_downgrade_loads_the_older_again(machine: Machine) -> None:
    new = machine.package(V2)
    engine.apply(machine.paths)
    new.unlink()
    machine.package(V1)
    engine.apply(machine.paths)
    assert machine.modules == ["kpatch", NAME1]
    assert machine.state(NAME1) == "enabled"


def test_removed_package_is_unloaded(machine: Machine) -> None:
    path = machine.package(V1)
    engine.apply(machine.paths)
    path.unlink()
    machine.calls  # noqa: B018
    # The fake core module cannot act on a write to `enabled`; rmmod looks at the value that the engine wrote.
    assert actions(engine.apply(machine.paths)) == [(NAME1, "unloaded", True)]
    assert machine.calls == [f"rmmod {NAME1}"]
    assert json.loads(machine.read("run/kpatch/state.json"))["known"] == {}


def test_patch_loaded_by_hand_stays(machine: Machine) -> None:
    machine.package(V1)
    engine.apply(machine.paths)
    machine.write("run/kpatch/state.json", json.dumps({"format": 1, "known": {}, "failures": {}, "retrying": False}))
    (machine.root / f"usr/lib/kpatch/{RELEASE}/kpatch-{V1}.ko").unlink()
    assert engine.apply(machine.paths).results == []
    assert machine.state(NAME1) == "enabled"


def test_disabled_patch_is_enabled(machine: Machine) -> None:
    machine.package(V1)
    engine.apply(machine.paths)
    machine.write(f"sys/kernel/kpatch/{NAME1}/enabled", "0\n")
    machine.write(f"sys/kernel/kpatch/{NAME1}/state", "disabled\n")
    assert actions(engine.apply(machine.paths)) == [(NAME1, "enabled", True)]
    assert machine.read(f"sys/kernel/kpatch/{NAME1}/enabled") == "1\n"


def test_other_build_of_the_same_name_is_not_swapped_in_secret(machine: Machine) -> None:
    machine.package(V1)
    engine.apply(machine.paths)
    machine.package(V1, checksum="cc")
    outcome = engine.apply(machine.paths)
    assert actions(outcome) == [(NAME1, "loaded", False)]
    assert outcome.exit_code == 1
    assert "kpatch unload" in outcome.results[0].hint
    assert machine.state(NAME1) == "enabled"


def test_in_use_names_the_task_and_is_retried(machine: Machine) -> None:
    machine.package(V1)
    machine.answers(BUSY, BUSY)
    assert engine.apply(machine.paths).exit_code == 0
    assert machine.calls.count(f"insmod kpatch-{V1}.ko") == 3


def test_in_use_to_the_end_changes_nothing_and_says_who(machine: Machine) -> None:
    machine.package(V1)
    engine.apply(machine.paths)
    (machine.root / f"usr/lib/kpatch/{RELEASE}/kpatch-{V1}.ko").unlink()
    machine.package(V2)
    machine.refusal(
        f"patch: {NAME2}\nerrno: 16\nreason: in use\nblocker: 812\tdb writer\tmeminfo_proc_show\tmsleep+0x2d/0x40\n"
    )
    machine.answers(*[BUSY] * 5)
    outcome = engine.apply(machine.paths)
    assert outcome.exit_code == EXIT_BUSY
    assert "db writer (pid 812) in meminfo_proc_show, waiting in msleep" in outcome.results[0].message
    # The old patch stays although its package is gone: better than none.
    assert actions(outcome) == [(NAME2, "loaded", False), (NAME1, "kept", True)]
    assert machine.state(NAME1) == "enabled"
    assert engine.apply(machine.paths).exit_code == 0
    assert machine.modules == ["kpatch", NAME2]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("Key was rejected by service", "is not signed"),
        ("Invalid module format", "does not fit the running kernel " + RELEASE),
        ("Operation not permitted", "not permitted"),
        ("Unknown symbol in module", "needs a symbol"),
        ("Cannot allocate memory", "Cannot allocate memory"),
        ("something new", "something new"),
    ],
)
def test_refusals_are_told_apart(machine: Machine, answer: str, words: str) -> None:
    machine.package(V1)
    machine.answers(answer)
    outcome = engine.apply(machine.paths)
    assert outcome.exit_code == EXIT_REFUSED
    assert words in outcome.results[0].message
    assert outcome.results[0].hint


def test_an_unknown_signer_is_told_from_no_signer(machine: Machine) -> None:
    machine.package(V1)
    with open(machine.root / f"usr/lib/kpatch/{RELEASE}/kpatch-{V1}.ko", "ab") as module:
        module.write(MARKER)
    machine.answers("Required key not available")
    assert "does not trust the signature" in engine.apply(machine.paths).results[0].message


def test_reason_of_the_core_module_is_passed_on(machine: Machine) -> None:
    machine.package(V1)
    machine.write("sys/kernel/kpatch/version", "1.0.0\n")
    machine.answers("Invalid parameters")
    machine.refusal(f"patch: {NAME1}\nerrno: 22\nreason: built for another build of this release\n")
    assert "built for another build of this release" in engine.apply(machine.paths).results[0].message


def test_lockdown_and_closed_modules_are_named(machine: Machine) -> None:
    machine.package(V1)
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    machine.answers("Operation not permitted", "Operation not permitted")
    assert "locked down (integrity)" in engine.apply(machine.paths).results[0].message
    machine.write("proc/sys/kernel/modules_disabled", "1\n")
    assert "modules_disabled" in engine.apply(machine.paths).results[0].message


def test_missing_core_module_names_its_package(machine: Machine) -> None:
    machine.package(V1)
    (machine.root / f"usr/lib/modules/{RELEASE}/extra/kpatch/kpatch.ko").unlink()
    result = engine.apply(machine.paths).results[0]
    assert "core module" in result.message
    assert f"kpatch-core({RELEASE})" in result.hint


def test_damaged_file_is_one_failure_not_the_end(machine: Machine) -> None:
    machine.package(V1)
    machine.write(f"usr/lib/kpatch/{RELEASE}/kpatch-broken.ko", patch_bytes("broken")[:200])
    outcome = engine.apply(machine.paths)
    assert actions(outcome) == [("kpatch-broken.ko", "loaded", False), (NAME1, "loaded", True)]
    assert outcome.exit_code == 1


def test_patch_of_the_administrator_goes_before_packages(machine: Machine) -> None:
    machine.package(V1)
    machine.write(f"var/lib/kpatch/{RELEASE}/kpatch-own.ko", patch_bytes("own"))
    outcome = engine.apply(machine.paths)
    assert actions(outcome) == [("kpatch_own", "loaded", True), (NAME1, "superseded", True)]
    assert outcome.exit_code == 0
    assert machine.modules == ["kpatch", "kpatch_own"]


def test_patches_that_replace_nothing_stack(machine: Machine) -> None:
    machine.package("aa", replace=False)
    machine.package("bb", replace=False)
    machine.package(V1)
    engine.apply(machine.paths)
    assert machine.modules == ["kpatch", NAME1, "kpatch_aa", "kpatch_bb"]
    assert [machine.state(name) for name in machine.modules[1:]] == ["enabled"] * 3


def test_second_run_waits_for_the_lock_and_gives_up_by_name(machine: Machine) -> None:
    with Lock(machine.paths), pytest.raises(Locked, match="another run"), Lock(machine.paths, timeout=0.1):
        pass


def test_guard_comes_first(machine: Machine) -> None:
    machine.package(V1)
    machine.write("run/.containerenv", "")
    outcome = engine.apply(machine.paths)
    assert outcome.skipped is not None and "container" in outcome.skipped
    assert outcome.exit_code == 0
    assert machine.calls == []
