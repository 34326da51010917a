"""The whole chain as a publisher runs it, through the commands: build, package, sign, publish."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rpmbuild.names import parse_release
from tests.vm import patience
from tests.vm.kernels import StockKernel

__all__ = ["EXAMPLES", "Chain", "Key", "PatchRelease", "make_key", "tool"]

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = TOP / "examples"
BUILD_TIMEOUT = patience.patient(600)


def tool(name: str, *args: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command ``kpatch-NAME`` of this checkout; with ``check``, its failure is an assertion's."""
    argv = [sys.executable, "-m", f"kpatch.cli.{name}", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(
        argv, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, timeout=BUILD_TIMEOUT
    )
    command = " ".join([f"kpatch-{name}", *map(str, args)])
    assert not check or done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Key:
    """A signing key in a GnuPG home of its own."""

    home: Path
    fingerprint: str

    @property
    def options(self) -> list[str]:
        """For the commands that sign RPMs."""
        return ["--gnupghome", str(self.home), "--sign", self.fingerprint]


def make_key(home: Path, name: str = "Kpatch Test") -> Key:
    """A key that lasts a week, as a pipeline would make for a test."""
    home.mkdir(mode=0o700, parents=True)
    recipe = f"%no-protection\nKey-Type: RSA\nKey-Length: 3072\nKey-Usage: sign\nName-Real: {name}\nExpire-Date: 7d\n"
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--generate-key"], input=recipe, text=True, check=True, timeout=120, capture_output=True)
    listed = subprocess.run([*gpg, "--with-colons", "-K"], text=True, check=True, timeout=60, capture_output=True)
    fingerprint = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr:"))
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False, timeout=60)
    return Key(home, fingerprint)


@dataclass(frozen=True)
class PatchRelease:
    """One release of the kernel's patch: its place in the order, its diffs, what it fixes."""

    number: int
    diffs: tuple[Path, ...]
    cves: tuple[str, ...] = ()


class Chain:
    """Builds into ``work`` for ``kernel``; everything is made once."""

    def __init__(self, kernel: StockKernel, work: Path) -> None:
        self.kernel = kernel
        self.work = work
        self._key: Key | None = None

    @property
    def name_part(self) -> str:
        """The kernel's release as it stands in names of packages and modules: ``6_1_0-56``."""
        return parse_release(self.kernel.release).name_part

    @property
    def key(self) -> Key:
        """The publisher's key."""
        if self._key is None:
            self._key = make_key(self.work / "gpg")
        return self._key

    def core_module(self) -> Path:
        """kpatch.ko for the kernel, against the vendor's headers."""
        module = self.work / "core" / "kpatch.ko"
        if not module.exists():
            module.parent.mkdir()
            tool("build", "--core", *self._where, "-o", module.parent)
            assert module.exists(), f"kpatch-build --core wrote no {module}"
        return module

    @property
    def _where(self) -> list[str]:
        return self.kernel.build_options

    def patch_module(self, name: str, diffs: Sequence[Path], options: Sequence[str] = ()) -> Path:
        """``kpatch-NAME.ko`` from ``diffs``, by kpatch-build."""
        out = self.work / "modules"
        module = out / f"kpatch-{name}.ko"
        if not module.exists():
            out.mkdir(exist_ok=True)
            tool("build", *self._where, "-n", name, "-o", out, *options, *diffs)
            assert module.exists(), f"kpatch-build wrote no {module}"
        return module

    def rpm(self, *args: str | Path, key: Key | None = None) -> list[Path]:
        """What ``kpatch-repo package`` makes of ``args``, signed with ``key`` if there is one."""
        out = self.work / "rpms" / (key.fingerprint[-8:] if key else "unsigned")
        signing = key.options if key else []
        printed = tool("repo", "package", "-q", *args, "-o", out, *signing).stdout.split()
        return [Path(line) for line in printed if line.endswith(".rpm") and not line.endswith(".src.rpm")]

    def base_rpms(self) -> list[Path]:
        """Runtime, core module and the kernel's subscription, signed."""
        return [
            *self.rpm("--runtime", key=self.key),
            *self.rpm("--core", self.core_module(), "--kernel", self.kernel.release, key=self.key),
            *self.rpm("--subscription", "--kernel", self.kernel.release, key=self.key),
        ]

    def patch_rpm(self, release: PatchRelease, key: Key | None = None, sign: bool = True) -> Path:
        """The RPM of one release of the patch; its module bears the release in its name."""
        module = self.release_module(release)
        options = ["--kernel", self.kernel.release, "--patch-version", "1", "--patch-release", str(release.number)]
        for cve in release.cves:
            options += ["--cve", cve]
        (rpm,) = self.rpm("--module", module, *options, key=(key or self.key) if sign else None)
        return rpm

    def release_module(self, release: PatchRelease) -> Path:
        """The module of one release."""
        return self.patch_module(
            f"{self.name_part}-1-{release.number}", release.diffs, [f"--cve={cve}" for cve in release.cves]
        )

    def foreign_module(self, release: PatchRelease) -> tuple[str, Path]:
        """The module of ``release`` made out to be for another kernel of the same series, and that kernel."""
        module = self.release_module(release)
        known = self.kernel.release
        other = re.sub(r"\d(?=[-+][a-z])", lambda digit: str((int(digit[0]) + 1) % 10), known, count=1)
        assert len(other) == len(known), "the name is overwritten in place"
        forged = self.work / "foreign" / module.name
        forged.parent.mkdir(exist_ok=True)
        forged.write_bytes(module.read_bytes().replace(known.encode(), other.encode()))
        return other, forged

    def publish(self, repo: Path, *rpms: Path, sign_rpms: bool = False) -> None:
        """Add ``rpms`` to the repository ``repo`` and sign its metadata; ``sign_rpms``: also what is unsigned."""
        signing: list[str | Path] = ["--gnupghome", self.key.home, "--key", self.key.fingerprint]
        if sign_rpms:
            signing.append("--sign-rpms")
        tool("repo", "publish", "--repo", repo, *signing, *rpms)
