"""Chroots of other Debian releases, each with compiler, host tools and the stock kernel of that release.

What a publisher makes once per release: ``kpatch-build --buildroot`` compiles in it.
"""

from __future__ import annotations

from pathlib import Path

from tests.vm import cache
from tests.vm.kernels import StockKernel
from tests.vm.mirror import debootstrap

__all__ = ["OLDEST", "SUITES", "buildroot"]

SUITES = ("trixie", "sid")

OLDEST = "bullseye"
"""Its kernel, 5.10, is the oldest one that is promised."""

PACKAGES = [
    "make",
    "binutils",
    "libc6-dev",
    "flex",
    "bison",
    "bc",
    "libelf-dev",
    "libssl-dev",
    "xz-utils",
    "linux-headers-amd64",
]
"""The headers bring the kernel's own compiler."""

# The kernel and its source are unpacked, not installed: no boot loader, no initramfs.
_KERNEL_SCRIPT = """
set -e
cd /tmp
release=$(basename /usr/src/linux-headers-*-amd64)
release=${release#linux-headers-}
series=$(printf '%s' "$release" | cut -d. -f1,2)
parts=$(apt-cache depends "linux-image-$release" | sed -n "s/.*Depends: \\(linux-[a-z]*-$release\\)$/\\1/p")
apt-get -qq download "linux-image-$release" $parts "linux-source-$series"
for deb in linux-*.deb; do dpkg-deb -x "$deb" /; rm "$deb"; done
apt-get clean
"""


def buildroot(suite: str) -> StockKernel:
    """The newest stock kernel of ``suite``, with what compiles for it in the same directory; made on first use."""
    place = cache.entry(
        "buildroots", f"{suite}-{cache.key_of(*PACKAGES, _KERNEL_SCRIPT)}", lambda at: _make(suite, at)
    )
    root = place / "root"
    (headers,) = (root / "usr/src").glob("linux-headers-*-amd64")
    return StockKernel(headers.name[len("linux-headers-") :], root, root)


def _make(suite: str, directory: Path) -> None:
    script = directory / "unpack-kernel"
    script.write_text(_KERNEL_SCRIPT)
    hooks = [f'--customize-hook=chroot "$1" sh <{script}']
    debootstrap(suite, PACKAGES, directory / "root", directory, "--variant=apt", *hooks)
