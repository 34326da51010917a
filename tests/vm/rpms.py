"""RPMs of the harness: the stock kernel as ``kernel-core``, and what the guest's Debian side provides.

A live-patch RPM depends on the kernel and on python, systemd, dnf and so on.  In an RPM system
all of these are RPMs; in the guest these two packages speak for them, so that dnf resolves for real.
"""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rpmbuild.names import parse_release
from tests.vm.kernels import StockKernel

__all__ = [
    "GUEST_MODULES",
    "build_guest_base",
    "build_kernel_core",
    "build_rpm",
    "copy_module",
    "module_closure",
    "version_release",
]

# What the guest needs to boot, and a few modules that tests load and patch.
GUEST_MODULES = [
    *["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"],
    *["ext4", "crc32c_generic", "crc32c_intel", "loop", "dummy"],
]

_QUIET_BUILD = """
%define debug_package %{nil}
%define __os_install_post %{nil}
%define _build_id_links none
%define _binary_payload w1.gzdio
"""

_KERNEL_SPEC = """
Name: kernel-core
Version: {version}
Release: {release}
Summary: The stock kernel {uname}, repackaged
License: GPL-2.0-only
BuildArch: x86_64
AutoReqProv: no
Provides: kernel = %{{version}}-%{{release}}
Provides: kernel-uname-r = {uname_provide}
Provides: kernel-core-uname-r = {uname_provide}
Provides: installonlypkg(kernel)

%description
Image and modules of {uname} as the distribution ships them.

%install
cp -a {stage}/. %{{buildroot}}/

%files
/boot/vmlinuz-{uname}
/boot/config-{uname}
%dir /usr/lib/modules/{uname}
/usr/lib/modules/{uname}/kernel
%verify(not md5 size mtime) /usr/lib/modules/{uname}/modules.*
"""

_BASE_SPEC = """
Name: guest-base
Version: 1
Release: 1
Summary: What the guest's own packages provide
License: GPL-2.0-only
BuildArch: noarch
AutoReqProv: no
{provides}

%description
Speaks for the packages that came from the guest's distribution by other means than RPM.

%files
"""

# RPM name -> the Debian package whose version it has, where that is installed.
_BASE_PACKAGES = {
    "bash": "bash",
    "coreutils": "coreutils",
    "dnf": "dnf",
    "dnf5": "dnf5",
    "kmod": "kmod",
    "libdnf5-plugin-actions": "dnf5",
    "python3": "python3",
    "python3-dnf": "python3-dnf",
    "python3-rpm": "python3-rpm",
    "rpm": "rpm",
    "systemd": "systemd",
    "util-linux": "util-linux",
}
_BASE_PATHS = ["/bin/bash", "/bin/sh", "/usr/bin/bash", "/usr/bin/python3", "/usr/bin/sh", "/usr/sbin/depmod"]


def version_release(uname: str) -> tuple[str, str]:
    """What rpm calls the kernel: ``6.1.0-56-amd64`` -> ``6.1.0``, ``56``; rpm wants a release where there is none."""
    parsed = parse_release(uname)
    return parsed.version, parsed.release or "1"


def build_rpm(spec: str, work: Path) -> Path:
    """Build the one RPM of ``spec`` with rpmbuild below ``work`` and return it."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "package.spec"
    path.write_text(_QUIET_BUILD + spec)
    argv = ["rpmbuild", "-bb", "--define", f"_topdir {work}", str(path)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    (built,) = (work / "RPMS").rglob("*.rpm")
    return built


def build_kernel_core(kernel: StockKernel, work: Path) -> Path:
    """``kernel-core`` of ``kernel`` with the modules that the guest needs."""
    uname = kernel.release
    stage = work / "stage"
    modules = stage / "usr/lib/modules" / uname
    for module in module_closure(kernel, GUEST_MODULES):
        copy_module(module, (modules / module.relative_to(kernel.modules_dir)).parent)
    for listing in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy2(kernel.modules_dir / listing, modules)
    subprocess.run(["depmod", "-b", stage / "usr", uname], check=True, timeout=60)
    (stage / "boot").mkdir()
    shutil.copy2(kernel.vmlinuz, stage / "boot" / f"vmlinuz-{uname}")
    shutil.copy2(kernel.config, stage / "boot" / f"config-{uname}")
    version, release = version_release(uname)
    provide = parse_release(uname).uname_r
    spec = _KERNEL_SPEC.format(version=version, release=release, uname=uname, uname_provide=provide, stage=stage)
    return build_rpm(spec, work)


def build_guest_base(root: Path, work: Path) -> Path:
    """``guest-base``, with the versions that the Debian packages below ``root`` have."""
    provides = [f"Provides: {path}" for path in _BASE_PATHS]
    for name, package in _BASE_PACKAGES.items():
        argv = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Version}", package]
        full = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60).stdout
        if not full:
            continue
        upstream = re.sub(r"^[0-9]+:|-[^-]*$", "", full)
        provides.append(f"Provides: {name} = {re.sub('[^A-Za-z0-9._]', '_', upstream)}")
    python = max(path.name for path in (root / "usr/lib").glob("python3.*"))[len("python") :]
    provides += [f"Provides: python(abi) = {python}", "Provides: system-release = 9", "Provides: systemd-units"]
    return build_rpm(_BASE_SPEC.format(provides="\n".join(provides)), work)


def module_closure(kernel: StockKernel, names: list[str]) -> list[Path]:
    """The files of the modules ``names`` and of all that they depend on, dependencies first."""
    files = {path.name.split(".")[0].replace("-", "_"): path for path in kernel.modules_dir.glob("kernel/**/*.ko*")}
    order: dict[str, Path] = {}

    def visit(name: str) -> None:
        path = files.get(name)
        if path is None or name in order:  # built in, or there already
            return
        for needed in _dependencies(path):
            visit(needed)
        order[name] = path

    for name in names:
        visit(name)
    return list(order.values())


def copy_module(module: Path, directory: Path) -> Path:
    """A copy of ``module`` in ``directory``, not compressed."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{module.name.split('.')[0]}.ko"
    data = module.read_bytes()
    target.write_bytes(lzma.decompress(data) if module.suffix == ".xz" else data)
    return target


def _dependencies(module: Path) -> Iterator[str]:
    argv: list[str | Path] = ["modinfo", "-F", "depends", module]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    yield from (name.replace("-", "_") for name in listed.split(",") if name)
