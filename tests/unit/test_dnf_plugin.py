"""The dnf 4 plugin in the real dnf: in an installroot by the command, in this process through the library."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kpatch.host.paths import Paths
from tests.unit.host_machine import Machine, machine

__all__ = ["machine"]

dnf = pytest.importorskip("dnf", reason="python3-dnf is not installed")
pytestmark = [
    pytest.mark.skipif(shutil.which("dnf") is None or shutil.which("rpmbuild") is None, reason="no dnf or rpmbuild"),
    pytest.mark.filterwarnings("ignore"),
]

TOP = Path(__file__).resolve().parents[2]
PLUGIN = TOP / "dnf-plugin"
EL, AMZN = "5.14.0-427.13.1.el9_4.x86_64", "6.1.134-150.224.amzn2023.x86_64"

SPEC = """Name: {name}
Version: {version}
Release: {release}
Summary: test
License: GPL
BuildArch: noarch
{tags}
%description
test
%files
"""


def spec(name: str, version: str, release: str, *tags: str) -> str:
    return SPEC.format(name=name, version=version, release=release, tags="\n".join(tags))


def kernel(version: str, release: str, uname: str) -> str:
    return spec("kernel-core", version, release, f"Provides: kernel-uname-r = {uname}")


def patch(part: str, version: str, uname: str) -> str:
    tags = (f"Requires: kernel-uname-r = {uname}", f"Provides: kpatch-patch = {uname}")
    return spec(f"kpatch-patch-{part}", version, "1", *tags)


PACKAGES = [
    spec("bash", "5", "1"),
    kernel("5.14.0", "427.13.1.el9_4", EL),
    kernel("5.14.0", "427.14.1.el9_4", EL.replace("13.1", "14.1")),
    kernel("6.1.134", "150.224.amzn2023", AMZN),
    patch("5_14_0-427_13_1", "1", EL),
    patch("5_14_0-427_13_1", "2", EL),
    patch("6_1_134-150_224", "1", AMZN),
]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of packages without files."""
    top = tmp_path_factory.mktemp("repo")
    for number, text in enumerate(PACKAGES):
        file = top / f"{number}.spec"
        file.write_text(text)
        define = [f"--define=_rpmdir {top}", f"--define=_topdir {top}/build"]
        subprocess.run(["rpmbuild", "-bb", "--quiet", *define, file], check=True, capture_output=True)
    subprocess.run(["createrepo_c", "--quiet", top], check=True, capture_output=True)
    return top


class Dnf:
    """The dnf command on an installroot of its own, with our plugin."""

    def __init__(self, top: Path, repo: Path) -> None:
        self.root = top / "root"
        self.conf = top / "conf/kpatch.conf"
        self.conf.parent.mkdir()
        shutil.copy(PLUGIN / "kpatch.conf", self.conf)
        plugins = top / "plugins"
        plugins.mkdir()
        shutil.copy(PLUGIN / "kpatch.py", plugins)
        self.main = top / "dnf.conf"
        self.main.write_text(
            f"[main]\ngpgcheck=0\npluginpath={plugins}\npluginconfpath={self.conf.parent}\nreposdir={top}\n"
            f"cachedir={top}/cache\nlogdir={top}\ninstall_weak_deps=0\n[t]\nname=t\nbaseurl=file://{repo}\n"
        )

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = ["dnf", "-c", str(self.main), f"--installroot={self.root}", "--releasever=1", "-y", *argv]
        env = {**os.environ, "PYTHONPATH": str(TOP), "LC_ALL": "C.UTF-8"}
        return subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def installed(self) -> list[str]:
        out = subprocess.run(["rpm", "--root", self.root, "-qa"], stdout=subprocess.PIPE, text=True, check=True).stdout
        return sorted(out.split())


@pytest.fixture
def command(tmp_path: Path, repo: Path) -> Dnf:
    return Dnf(tmp_path, repo)


def test_new_kernel_brings_its_patch_only_when_asked(command: Dnf) -> None:
    assert command("install", "kernel-core-6.1.134").returncode == 0
    assert command.installed == ["kernel-core-6.1.134-150.224.amzn2023.noarch"]
    done = command("kpatch", "auto-update")
    assert done.returncode == 0, done.stdout
    assert "kpatch-patch-6_1_134-150_224-1-1.noarch" in command.installed
    assert "autoupdate = True" in command.conf.read_text()
    assert "# Hide kernels" in command.conf.read_text()


def test_autoupdate_takes_the_newest_patch_of_that_kernel_and_one_transaction(command: Dnf) -> None:
    command.conf.write_text("[main]\nautoupdate = yes\n")
    done = command("install", "kernel-core-5.14.0-427.13.1.el9_4", "bash")
    assert done.returncode == 0, done.stdout
    assert command.installed == [
        "bash-5-1.noarch",
        "kernel-core-5.14.0-427.13.1.el9_4.noarch",
        "kpatch-patch-5_14_0-427_13_1-2-1.noarch",
    ]
    assert command("history", "undo", "last").returncode == 0
    assert command.installed == []


def test_kernel_without_a_patch_is_installed_all_the_same(command: Dnf) -> None:
    command.conf.write_text("[main]\nautoupdate = yes\n")
    done = command("install", "kernel-core-5.14.0-427.14.1.el9_4")
    assert done.returncode == 0, done.stdout
    assert command.installed == ["kernel-core-5.14.0-427.14.1.el9_4.noarch"]


def test_filter_hides_kernels_without_a_patch_and_prints_nothing(command: Dnf) -> None:
    assert command("kpatch", "filter", "enable").returncode == 0
    assert "autofilter = True" in command.conf.read_text()
    assert command("-q", "repoquery", "bash").stdout == "bash-0:5-1.noarch\n"
    done = command("install", "kernel-core-5.14.0-427.14.1.el9_4")
    assert done.returncode == 1, done.stdout
    assert command("install", "kernel-core-5.14.0-427.13.1.el9_4").returncode == 0
    assert command("kpatch", "no-filter").returncode == 0
    assert command("upgrade").returncode == 0
    assert "kernel-core-5.14.0-427.14.1.el9_4.noarch" in command.installed or "kernel-core-6.1.134" in str(
        command.installed
    )


def test_status_install_and_unknown_verb(command: Dnf) -> None:
    command("install", "kernel-core-5.14.0-427.13.1.el9_4", "kpatch-patch-5_14_0-427_13_1-1-1")
    out = command("kpatch", "status").stdout
    assert "autoupdate:     disabled" in out
    line = (
        f"{EL}: kpatch-patch-5_14_0-427_13_1-1-1.noarch installed, kpatch-patch-5_14_0-427_13_1-2-1.noarch available"
    )
    assert line in out
    assert "running kernel" not in out
    assert command("kpatch", "install").returncode == 0
    assert "kpatch-patch-5_14_0-427_13_1-2-1.noarch" in command.installed
    done = command("kpatch", "dance")
    assert done.returncode == 1
    assert "unknown verb 'dance'" in done.stdout
    assert "Traceback" not in done.stdout


def test_bad_setting_is_an_error_of_dnf(command: Dnf) -> None:
    command.conf.write_text("[main]\nautoupdate = perhaps\n")
    done = command("install", "bash")
    assert done.returncode == 1
    assert "kpatch.conf: autoupdate" in done.stdout
    assert "Traceback" not in done.stdout


def test_patch_in_an_installroot_touches_no_kernel(command: Dnf) -> None:
    done = command("install", "kernel-core-6.1.134", "kpatch-patch-6_1_134-150_224")
    assert done.returncode == 0
    assert "kpatch: " not in done.stdout


@pytest.fixture
def plugin_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = importlib.util.spec_from_file_location("kpatch_dnf_plugin", PLUGIN / "kpatch.py")
    assert found is not None and found.loader is not None
    kpatch_logger = logging.getLogger("kpatch")
    monkeypatch.setattr(kpatch_logger, "handlers", [])
    monkeypatch.setattr(kpatch_logger, "propagate", True)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


class Demands:
    success_exit_status = 0


class Cli:
    """What the plugin sees of dnf's command line."""

    def __init__(self) -> None:
        self.demands = Demands()
        self.commands: list[Any] = []

    def register_command(self, command: Any) -> None:
        self.commands.append(command)


@pytest.fixture
def base(tmp_path: Path, repo: Path) -> Iterator[Any]:
    """A dnf.Base as a program that uses dnf makes it, on an installroot."""
    with dnf.Base() as base:
        conf = base.conf
        conf.installroot, conf.cachedir, conf.persistdir = (
            str(tmp_path / "inst"),
            str(tmp_path / "c"),
            str(tmp_path / "p"),
        )
        conf.logdir, conf.gpgcheck, conf.substitutions["releasever"] = str(tmp_path), False, "1"
        base.repos.add_new_repo("t", conf, baseurl=[f"file://{repo}"])
        base.fill_sack()
        yield base


def transact(base: Any, *names: str) -> None:
    for name in names:
        base.install(name)
    base.resolve()
    base.download_packages(base.transaction.install_set)
    base.do_transaction()
    base.conf.installroot = "/"  # from here on as if it had been the host itself


@pytest.mark.parametrize("cli", [None, Cli()])
def test_patch_is_loaded_after_the_transaction_with_and_without_cli(
    machine: Machine,
    base: Any,
    cli: Cli | None,
    plugin_module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine.package("6_1_0-56-1-1")
    monkeypatch.setattr(plugin_module, "Paths", lambda: Paths(str(machine.root)))
    plugin = plugin_module.KpatchPlugin(base, cli)
    transact(base, "kernel-core-6.1.134", "kpatch-patch-6_1_134-150_224")
    caplog.clear()
    with caplog.at_level("INFO"):
        plugin.pre_transaction()
        assert os.environ["KPATCH_DNF_APPLIES"] == "1"
        plugin.transaction()
    assert "KPATCH_DNF_APPLIES" not in os.environ
    assert caplog.messages == ["kpatch: kpatch_6_1_0_56_1_1 loaded: 1 function"]
    assert machine.state("kpatch_6_1_0_56_1_1") == "enabled"
    if cli is not None:
        assert cli.demands.success_exit_status == 0
        assert [command.aliases for command in cli.commands] == [("kpatch",)]


def test_failed_load_sets_the_exit_status_and_is_an_error_in_the_log(
    machine: Machine,
    base: Any,
    plugin_module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine.package("a")
    machine.answers(*["Device or resource busy"] * 5)
    monkeypatch.setattr(plugin_module, "Paths", lambda: Paths(str(machine.root)))
    cli = Cli()
    plugin = plugin_module.KpatchPlugin(base, cli)
    transact(base, "kernel-core-6.1.134", "kpatch-patch-6_1_134-150_224")
    caplog.clear()
    with caplog.at_level("INFO"):
        plugin.transaction()
    assert cli.demands.success_exit_status == 10
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors[0].startswith("kpatch: kpatch_a NOT loaded: cannot load kpatch_a: ")
    assert "hint" in errors[1]
    assert any("try 2 of 5" in message for message in caplog.messages)


def test_full_disk_is_an_error_not_a_traceback(
    machine: Machine,
    base: Any,
    plugin_module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine.package("a")
    machine.write("run/kpatch", "no directory")
    monkeypatch.setattr(plugin_module, "Paths", lambda: Paths(str(machine.root)))
    cli = Cli()
    plugin = plugin_module.KpatchPlugin(base, cli)
    transact(base, "kernel-core-6.1.134", "kpatch-patch-6_1_134-150_224")
    plugin.transaction()
    assert cli.demands.success_exit_status == 1
    assert "kpatch: error:" in caplog.text


def test_other_transactions_are_left_alone(
    machine: Machine, base: Any, plugin_module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.package("a")
    monkeypatch.setattr(plugin_module, "Paths", lambda: Paths(str(machine.root)))
    plugin = plugin_module.KpatchPlugin(base, None)
    plugin.transaction()
    transact(base, "bash")
    plugin.pre_transaction()
    plugin.transaction()
    assert "KPATCH_DNF_APPLIES" not in os.environ
    assert machine.calls == []
    assert not (machine.root / "run/kpatch").exists()


def test_dnf5_action_is_host_only_keeps_stdout_clean_and_every_option_is_known() -> None:
    lines = [line for line in (PLUGIN / "kpatch.actions").read_text().splitlines() if line and line[0] != "#"]
    for line, direction in zip(lines, ("in", "out")):
        assert line.split(":", 4) == [
            "post_transaction",
            "kpatch*",
            direction,
            "enabled=host-only",
            r"/usr/bin/sh -c /usr/sbin/kpatch\ apply\ --quiet\ >&2",
        ]
    assert len(lines) == 2
