"""The kpatch utility: its verbs, its text and its JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from kpatch.cli import kpatch as cli
from kpatch.errors import BadInput, InUse, KpatchError
from kpatch.host.paths import Paths
from tests.unit.host_machine import RELEASE, Machine, machine, patch_bytes

__all__ = ["machine"]


def call(machine: Machine, *argv: str) -> int:
    """Run a verb on ``machine`` as if it were the running one."""
    options = cli.make_parser().parse_args(argv)
    function = options.function
    assert isinstance(options, argparse.Namespace)
    code = function(machine.paths, options)
    assert isinstance(code, int)
    return code


def out_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of files stands for the one that we run on."""
    monkeypatch.setattr(Paths, "is_host", True)


def test_load_list_unload_as_users_know_it(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    file = machine.write("home/kpatch-a-b.ko", patch_bytes("a-b", cves="CVE-2024-1"))
    machine.package("6_1_0-56-1-1", cves="CVE-2024-2")
    assert call(machine, "load", str(file)) == 0
    assert out_of(capsys) == ["kpatch: kpatch_a_b loaded: 1 function, fixes CVE-2024-1"]
    assert call(machine, "load", str(file)) == 0
    assert out_of(capsys) == ["kpatch: kpatch_a_b active: already loaded and enabled"]
    assert call(machine, "list") == 0
    assert out_of(capsys) == [
        "Loaded patch modules:",
        "kpatch_a_b [enabled]",
        "",
        "Installed patch modules:",
        f"kpatch_6_1_0_56_1_1 ({RELEASE})",
    ]
    assert call(machine, "unload", "kpatch-a-b.ko") == 0
    assert out_of(capsys) == ["kpatch: kpatch_a_b unloaded"]
    assert machine.modules == ["kpatch"]


def test_load_by_name_is_the_installed_one_and_is_managed(machine: Machine) -> None:
    machine.package("a")
    call(machine, "load", "a")
    assert json.loads(machine.read("run/kpatch/state.json"))["known"]["kpatch_a"]["managed"] is True


def test_load_all_unload_all(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.package("a", replace=False)
    machine.package("b", replace=False)
    assert call(machine, "load", "--all") == 0
    assert machine.modules == ["kpatch", "kpatch_a", "kpatch_b"]
    assert call(machine, "unload", "--all") == 0
    assert machine.modules == ["kpatch"]
    assert out_of(capsys)[-1] == "kpatch: kpatch_b unloaded"


def test_busy_load_raises_with_names(machine: Machine) -> None:
    file = machine.write("home/kpatch-a.ko", patch_bytes("a"))
    machine.write("sys/kernel/kpatch/version", "1.0.0\n")
    machine.refusal("patch: kpatch_a\nerrno: 16\nreason: in use by 1 task\nblocker: 5\tcat\tf\t-\n")
    machine.answers(*["Device or resource busy"] * 5)
    with pytest.raises(InUse, match=r"cat \(pid 5\) in f"):
        call(machine, "load", str(file))
    assert machine.state("kpatch_a") == ""


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["load"], "one patch or --all"),
        (["load", "--all", "x"], "one patch or --all"),
        (["load", "nothing"], "no patch nothing is installed"),
        (["load", "/nonexistent.ko"], "No such file"),
        (["unload", "nothing"], "no patch nothing is loaded"),
        (["info", "nothing"], "No such file"),
        (["install", "/nonexistent.ko"], "No such file"),
        (["uninstall", "nothing"], "not installed"),
        (["install", "-k", "../..", "/nonexistent.ko"], "No such file"),
    ],
)
def test_bad_input(machine: Machine, argv: list[str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        call(machine, *argv)
    assert machine.calls == []


def test_other_build_of_a_loaded_patch(machine: Machine) -> None:
    file = machine.write("home/kpatch-a.ko", patch_bytes("a"))
    call(machine, "load", str(file))
    file.write_bytes(patch_bytes("a", checksum="bb"))
    with pytest.raises(KpatchError, match="another build"):
        call(machine, "load", str(file))


def test_install_into_an_image_and_out_of_it(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    image = tmp_path / "image"
    image.mkdir()
    file = machine.write("home/kpatch-a.ko", patch_bytes("a"))
    assert cli.run_command(["--root", str(image), "install", "-k", RELEASE, str(file)]) == 0
    assert (image / f"var/lib/kpatch/{RELEASE}/kpatch-a.ko").read_bytes() == file.read_bytes()
    assert out_of(capsys) == [f"kpatch: kpatch_a installed for {RELEASE} (/var/lib/kpatch/{RELEASE}/kpatch-a.ko)"]
    assert cli.run_command(["list", "--root", str(image), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["loaded"] == []
    assert [one["name"] for one in listed["installed"]] == ["kpatch_a"]
    for verb in (["load", "--all"], ["unload", "--all"], ["apply"], ["status"]):
        with pytest.raises(BadInput, match="running kernel"):
            cli.run_command(["--root", str(image), *verb])
    assert cli.run_command(["--root", str(image), "uninstall", "-k", RELEASE, "a"]) == 0


def test_status_is_about_the_running_kernel(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.package("a", cves="CVE-2024-1,CVE-2024-2")
    call(machine, "status", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["cves"], facts["pending"], facts["core_version"]) == ([], ["kpatch_a"], None)
    assert facts["blockers"] == [{"patch": "kpatch_a", "reason": "not yet applied", "tasks": []}]
    call(machine, "apply")
    capsys.readouterr()
    call(machine, "status", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["cves"], facts["pending"]) == (["CVE-2024-1", "CVE-2024-2"], [])
    call(machine, "status")
    text = out_of(capsys)
    assert text[0] == "status:         patched"
    assert "fixed CVEs:     CVE-2024-1 CVE-2024-2" in text
    # Another build was loaded than is installed: what it fixes is not known.
    machine.write("sys/kernel/kpatch/kpatch_a/checksum", "zz\n")
    call(machine, "status", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["cves"], facts["loaded"][0]["cves"]) == ([], None)


def test_status_names_the_tasks_in_the_way(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.package("a")
    machine.write("sys/kernel/kpatch/version", "1.0.0\n")
    machine.refusal("patch: kpatch_a\nerrno: 16\nreason: in use by 1 task\nblocker: 5\tcat\tf\t-\n")
    machine.answers(*["Device or resource busy"] * 5)
    assert call(machine, "apply") == 10
    capsys.readouterr()
    call(machine, "status", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["blockers"][0]["tasks"] == [{"pid": 5, "comm": "cat", "function": "f", "where": "-"}]
    call(machine, "status")
    assert any("cat (pid 5) in f" in line for line in out_of(capsys))


def test_apply_json_quiet_boot_and_trigger(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.package("a")
    machine.write("proc/cmdline", "kpatch.enable=0\n")
    assert call(machine, "apply", "--boot", "--json") == 0
    assert "kpatch.enable=0" in json.loads(capsys.readouterr().out)["skipped"]
    monkeypatch.setenv("KPATCH_DNF_APPLIES", "1")
    assert call(machine, "apply", "--trigger", "--quiet") == 0
    assert machine.calls == []
    monkeypatch.delenv("KPATCH_DNF_APPLIES")
    assert call(machine, "apply", "--trigger", "--quiet") == 0
    assert out_of(capsys) == ["kpatch: kpatch_a loaded: 1 function"]
    assert call(machine, "apply", "--quiet") == 0
    assert out_of(capsys) == []


def test_info_of_name_and_file(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    path = machine.package("a", cves="CVE-2024-1")
    call(machine, "info", "a")
    by_name = out_of(capsys)
    call(machine, "info", str(path))
    assert out_of(capsys) == by_name
    assert f"kernel:    {RELEASE}" in by_name
    assert "fixes:     CVE-2024-1" in by_name
    call(machine, "info", "--json", "a")
    assert json.loads(capsys.readouterr().out)["modinfo"]["license"] == ["GPL"]
