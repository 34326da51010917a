"""Stock kernels of the distribution, fetched by apt and unpacked: nobody here compiled them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.vm import cache

__all__ = ["StockKernel", "newest_release", "stock_kernel"]

SERIES = "6.1"


class AptError(AssertionError):
    """apt could not do, or does not know, what it was asked for."""


@dataclass(frozen=True)
class StockKernel:
    """One unpacked kernel: ``root`` holds boot/, lib/modules/RELEASE, usr/src and usr/lib/linux-kbuild-*.

    ``buildroot``: the system that compiles for it, None for this machine.
    """

    release: str
    root: Path
    buildroot: Path | None = None

    @property
    def build_options(self) -> list[str]:
        """What kpatch-build must be told of it."""
        where = ["--kernel", self.release, "--kernel-root", str(self.root)]
        return [*where, "--buildroot", str(self.buildroot)] if self.buildroot else where

    @property
    def vmlinuz(self) -> Path:
        """The bootable image."""
        return self._file("vmlinuz")

    @property
    def config(self) -> Path:
        """The vendor's .config."""
        return self._file("config")

    def _file(self, name: str) -> Path:
        """Until 6.12 Debian's packages have these in boot/, later beside the modules."""
        beside = self.modules_dir / name
        return beside if beside.exists() else self.root / "boot" / f"{name}-{self.release}"

    @property
    def modules_dir(self) -> Path:
        """lib/modules/RELEASE."""
        return self.root / "lib/modules" / self.release

    @property
    def source_archive(self) -> Path:
        """The vendor's source as a tar archive."""
        return self.root / "usr/src" / f"linux-source-{SERIES}.tar.xz"


def newest_release(series: str = SERIES) -> str:
    """``uname -r`` of the newest stock kernel of ``series`` that apt knows; no network is used."""
    pattern = rf"^linux-image-({re.escape(series)}\.[0-9.]+-[0-9]+-amd64)$"
    found: list[str] = []
    for attempt in ("as it is", "updated"):
        if attempt == "updated":
            _update_lists()
        listed = _apt("apt-cache", "search", "--names-only", pattern)
        found = [match[1] for line in listed.splitlines() if (match := re.match(pattern, line.split(" ")[0]))]
        if found:
            break
    assert found, f"apt knows no linux-image-{series}.*-amd64"
    return max(found, key=lambda release: [int(number) for number in re.findall(r"\d+", release)])


def stock_kernel(release: str | None = None) -> StockKernel:
    """The stock kernel ``release`` (default: the newest), downloaded and unpacked on first use."""
    try:
        return _cached(release or newest_release())
    except AptError:  # the mirror has gone on since the lists were fetched
        _update_lists()
        return _cached(release or newest_release())


def _cached(release: str) -> StockKernel:
    version = _version(f"linux-image-{release}")
    place = cache.entry("kernels", f"{release}_{version}", lambda directory: _fetch(release, version, directory))
    return StockKernel(release, place)


def _fetch(release: str, version: str, directory: Path) -> None:
    debs = directory / "debs"
    debs.mkdir()
    abi = re.sub(r"(-[0-9]+)-.*", r"\1", release)
    names = [
        f"linux-image-{release}",
        f"linux-headers-{release}",
        f"linux-headers-{abi}-common",
        f"linux-kbuild-{SERIES}",
        f"linux-source-{SERIES}",
    ]
    # Debian keeps the kbuild tools of fewer versions; only modules outside of the tree need them.
    if version not in _apt("apt-cache", "madison", f"linux-kbuild-{SERIES}"):
        names.remove(f"linux-kbuild-{SERIES}")
    wanted = [f"{name}={version}" for name in names]
    _apt("apt-get", "-qq", "download", *wanted, cwd=debs)
    for deb in sorted(debs.iterdir()):
        subprocess.run(["dpkg-deb", "-x", deb, directory], check=True, timeout=300)
        deb.unlink()
    shutil.rmtree(debs)


def _version(package: str) -> str:
    shown = _apt("apt-cache", "show", "--no-all-versions", package)
    match = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
    if not match:
        raise AptError(f"apt knows no version of {package}")
    return match[1]


def _update_lists() -> None:
    """Fetch apt's lists; apt itself does not wait for another run that does the same."""
    with cache.locked(Path("/run/lock/kpatch-bootstrap.lock")):
        _apt("apt-get", "-qq", "update")


def _apt(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise AptError(f"{' '.join(argv)}: status {done.returncode}\n{done.stderr}")
    return done.stdout
