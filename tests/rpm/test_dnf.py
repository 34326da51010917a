"""Real dnf, in a root of its own, with the published repository: what an administrator will type."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rpmbuild.api import PublishOptions, build_runtime_rpms, publish
from rpmbuild.build import rpmbuild
from rpmbuild.gpg import Key, sign_detached
from tests.rpm.support import EPOCH, KERNEL, UNAME_R, make_kernel

pytestmark = pytest.mark.skipif(
    shutil.which("dnf") is None or os.geteuid() != 0, reason="needs dnf, and root for its --installroot"
)

PATCH = "kpatch-patch-6_1_0-56"


class Machine:
    """A root that dnf installs into, with one repository that it checks as a production system does."""

    def __init__(self, top: Path, repo: Path, key: Path | None = None) -> None:
        self.root = top / "root"
        self.repos = top / "repos.d"
        self.repos.mkdir(parents=True)
        self.conf = top / "dnf.conf"
        self.conf.write_text("[main]\ngpgcheck=1\nplugins=0\n")
        key = key or repo / "repodata" / "repomd.xml.key"
        (self.repos / "kpatch.repo").write_text(
            f"[kpatch]\nname=kpatch\nbaseurl=file://{repo}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{key}\n"
        )

    def dnf(self, *argv: str) -> tuple[int, str]:
        """Run dnf with the arguments ``argv``; exit code and all that it said."""
        command = ["dnf", "-y", "-c", str(self.conf), f"--installroot={self.root}", f"--setopt=reposdir={self.repos}"]
        command += ["--releasever=1", "--refresh", "--setopt=tsflags=noscripts", "--setopt=install_weak_deps=1"]
        done = subprocess.run([*command, *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def ok(self, *argv: str) -> str:
        """The same, and it must work."""
        code, output = self.dnf(*argv)
        assert code == 0, output
        return output

    def installed(self) -> set[str]:
        """Name-version-release of what rpm has in the root."""
        argv = ["rpm", "--root", str(self.root), "-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n"]
        found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        return {name for name in found if not name.startswith("gpg-pubkey")}


@pytest.fixture
def options(key: Key) -> PublishOptions:
    return PublishOptions(key=key, sign_rpms=True)


@pytest.fixture
def repo(packages: dict[str, Path], tmp_path: Path, options: PublishOptions) -> Path:
    """A repository with the first release of the patch and all that it needs."""
    chosen = ("1-1", "subscription", "core", "runtime", "kernel", "system")
    publish([packages[name] for name in chosen], tmp_path / "repo", options)
    return tmp_path / "repo"


@pytest.fixture
def machine(repo: Path, tmp_path: Path) -> Machine:
    """A system that runs the kernel and has subscribed to its patches."""
    made = Machine(tmp_path / "machine", repo)
    made.ok("install", "test-system", "kernel-core", "--setopt=install_weak_deps=0")
    return made


def test_one_command_brings_everything(machine: Machine) -> None:
    machine.ok("install", PATCH)
    assert {f"{PATCH}-1-1", "kmod-kpatch-6_1_0-56-1.0.0-1", "kpatch-1.0.0-1"} <= machine.installed()
    assert (machine.root / f"usr/lib/kpatch/{KERNEL}/kpatch-first.ko").is_file()
    assert (machine.root / f"usr/lib/modules/{KERNEL}/extra/kpatch/kpatch.ko").is_file()


@pytest.mark.parametrize("wish", [f"kpatch-patch = {UNAME_R}", "kpatch-cve(CVE-2024-1086)"])
def test_by_kernel_or_by_cve(machine: Machine, wish: str) -> None:
    machine.ok("install", wish)
    assert f"{PATCH}-1-1" in machine.installed()


def test_a_new_kernel_brings_its_patch(repo: Path, tmp_path: Path) -> None:
    fresh = Machine(tmp_path / "fresh", repo)
    fresh.ok("install", "test-system", "kernel-core")
    assert f"{PATCH}-1-1" in fresh.installed()


def test_the_update_and_its_cves(
    machine: Machine, repo: Path, packages: dict[str, Path], options: PublishOptions
) -> None:
    machine.ok("install", f"{PATCH}-0-0")
    assert "CVE-2024-1086" in machine.ok("updateinfo", "list", "cves")
    machine.ok("upgrade", "--security")
    assert f"{PATCH}-1-1" in machine.installed()
    publish([packages["1-2"]], repo, options)
    listed = machine.ok("updateinfo", "list", "cves")
    assert "CVE-2025-1111" in listed
    assert f"{PATCH}-1-2" in listed
    machine.ok("update")
    assert f"{PATCH}-1-2" in machine.installed()
    folder = machine.root / f"usr/lib/kpatch/{KERNEL}"
    assert sorted(path.name for path in folder.iterdir()) == ["kpatch-second.json", "kpatch-second.ko"]
    assert "CVE-" not in machine.ok("updateinfo", "list", "cves", "--updates")
    machine.ok("downgrade", PATCH)
    assert f"{PATCH}-1-1" in machine.installed()
    machine.ok("remove", PATCH)
    assert not folder.exists()


def test_a_patch_for_another_kernel_does_not_go_in(repo: Path, tmp_path: Path, options: PublishOptions) -> None:
    publish([make_kernel(tmp_path / "other", "6.1.0-57.amd64")], repo, options)
    other = Machine(tmp_path / "other-machine", repo)
    other.ok("install", "test-system", "kernel-core-6.1.0-57.amd64")
    code, output = other.dnf("install", PATCH, "--exclude=kernel-core-6.1.0-56*")
    assert code == 1
    assert f"requires kernel-uname-r = {UNAME_R}, but none of the providers can be installed" in output


def test_a_changed_repomd_is_refused(machine: Machine, repo: Path) -> None:
    repomd = repo / "repodata" / "repomd.xml"
    repomd.write_text(repomd.read_text().replace("<revision>", "<revision>9"))
    code, output = machine.dnf("install", PATCH)
    assert code == 1
    assert "signature" in output.lower()
    assert f"{PATCH}-1-1" not in machine.installed()


def test_an_unsigned_package_is_refused(
    machine: Machine, repo: Path, packages: dict[str, Path], tmp_path: Path, key: Key
) -> None:
    """Slipped past the publisher: the metadata is signed, the package is not."""
    target = repo / "Packages" / packages["1-1"].name
    shutil.copy(packages["1-1"], target)
    subprocess.run(["createrepo_c", "-q", repo], check=True)
    repomd = repo / "repodata" / "repomd.xml"
    sign_detached(key, repomd, repomd.with_name("repomd.xml.asc"))
    repomd.with_name("repomd.xml.key").write_text(key.public)
    code, output = machine.dnf("install", PATCH)
    assert code == 1
    assert "is not signed" in output
    assert f"{PATCH}-1-1" not in machine.installed()


def test_a_stranger_s_repository_is_refused(packages: dict[str, Path], tmp_path: Path, keys: tuple[Key, Key]) -> None:
    ours, stranger = keys
    repo = tmp_path / "theirs"
    publish([packages["system"]], repo, PublishOptions(key=stranger, sign_rpms=True))
    trusted = tmp_path / "trusted.asc"
    trusted.write_text(ours.public)
    victim = Machine(tmp_path / "victim", repo, trusted)
    code, output = victim.dnf("install", "test-system")
    assert code == 1
    assert "signature" in output.lower()
    # Metadata signed by us, a package by the stranger.
    (rpm,) = (repo / "Packages").iterdir()
    mixed = tmp_path / "mixed"
    publish([packages["kernel"]], mixed, PublishOptions(key=ours, sign_rpms=True))
    shutil.copy(rpm, mixed / "Packages")
    subprocess.run(["createrepo_c", "-q", mixed], check=True)
    sign_detached(ours, mixed / "repodata/repomd.xml", mixed / "repodata/repomd.xml.asc")
    victim = Machine(tmp_path / "victim2", mixed, trusted)
    code, output = victim.dnf("install", "test-system")
    assert code == 1
    assert "not correct for this package" in output or "Public key" in output
    assert victim.installed() == set()


def test_the_runtime_pulls_in_the_plugin_where_dnf_is(tmp_path: Path, options: PublishOptions) -> None:
    repo = tmp_path / "repo"
    provides = "\n".join(f"Provides: {name}" for name in ("/bin/sh", "python3"))
    spec = f"Name: bare\nVersion: 1\nRelease: 1\nSummary: t\nLicense: l\nBuildArch: noarch\n{provides}\n"
    bare = rpmbuild("bare", f"{spec}%description\n%files\n", {}, tmp_path, EPOCH).rpm
    with_dnf = spec.replace("bare", "with-dnf") + "Provides: python3-dnf\n%description\n%files\n"
    dnf = rpmbuild("with-dnf", with_dnf, {}, tmp_path, EPOCH).rpm
    publish([*build_runtime_rpms(tmp_path / "runtime").rpms, bare, dnf], repo, options)
    without = Machine(tmp_path / "without", repo)
    without.ok("install", "bare", "kpatch", "--exclude=with-dnf")
    assert {name.rsplit("-", 2)[0] for name in without.installed()} == {"bare", "kpatch"}
    machine = Machine(tmp_path / "machine", repo)
    machine.ok("install", "with-dnf", "kpatch", "--exclude=bare")
    assert {name.rsplit("-", 2)[0] for name in machine.installed()} == {"with-dnf", "kpatch", "kpatch-dnf"}
