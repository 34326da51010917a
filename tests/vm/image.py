"""The guest's disk image and initramfs: a small Debian with dnf, rpm and systemd around a stock kernel."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.vm import cache, rpms
from tests.vm.kernels import StockKernel
from tests.vm.mirror import OWN_SUITE, debootstrap

__all__ = ["DNF4", "DNF5", "GuestImage", "Userland", "guest_image"]

PACKAGES = ("systemd-sysv", "udev", "kmod", "iproute2", "procps", "rpm", "python3", "gpg", "ca-certificates")
IMAGE_SIZE = "3G"
ADDRESS = "10.0.2.15/24"  # QEMU's user network; the host is 10.0.2.2

# Nothing of this does anything for a test, and under emulation each costs tenths of a second.
MASKED = [
    *["apt-daily.timer", "apt-daily-upgrade.timer", "dnf-makecache.timer", "dpkg-db-backup.timer", "fstrim.timer"],
    *["e2scrub_all.timer", "e2scrub_reap.service", "systemd-tmpfiles-clean.timer", "serial-getty@ttyS0.service"],
    *[
        "getty@tty1.service",
        "getty-static.service",
        "systemd-networkd.service",
        "systemd-timesyncd.service",
        "systemd-pcrphase.service",
    ],
    *["systemd-pcrphase-sysinit.service", "systemd-pstore.service", "systemd-binfmt.service"],
    *["proc-sys-fs-binfmt_misc.automount", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-config.mount"],
    *["sys-fs-fuse-connections.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "modprobe@.service"],
    *["systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-random-seed.service"],
]

AGENT_UNIT = """[Unit]
Description=Runs the host's commands
DefaultDependencies=no
After=multi-user.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/usr/bin/python3 -I /usr/local/lib/guest-agent.py
KillMode=process

[Install]
WantedBy=multi-user.target
"""

NETWORK_UNIT = f"""[Unit]
Description=The address in QEMU's user network
DefaultDependencies=no
After=network-pre.target
Before=network.target
Wants=network-pre.target network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip link set lo up; ip link set eth0 up; ip addr replace {ADDRESS} dev eth0'

[Install]
WantedBy=multi-user.target
"""

INIT = """#!/bin/sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t sysfs none /sys
for module in $(/bin/busybox cat /modules.order); do
    /bin/busybox insmod /modules/$module
done
disk=$(/bin/busybox sed 's/.*root=\\([^ ]*\\).*/\\1/' /proc/cmdline)
until [ -b $disk ]; do /bin/busybox sleep 0.05; done
/bin/busybox mount -t ext4 $disk /root || exec /bin/busybox reboot -f
/bin/busybox mount --move /dev /root/dev
/bin/busybox umount /proc /sys
exec /bin/busybox switch_root /root /sbin/init
"""


@dataclass(frozen=True)
class Userland:
    """The distribution's packages in a guest: release, and those beside ``PACKAGES``; ``yum`` is a link to ``dnf``."""

    suite: str
    packages: tuple[str, ...]
    dnf: str


DNF4 = Userland(OWN_SUITE, ("dnf", "python3-rpm"), "dnf")
DNF5 = Userland("sid", ("dnf5", "mount"), "dnf5")


@dataclass(frozen=True)
class GuestImage:
    """A bootable guest: read-only files that many guests share."""

    kernel: StockKernel
    directory: Path

    @property
    def disk(self) -> Path:
        """Raw ext4 image, the backing file of each guest's own disk."""
        return self.directory / "disk.ext4"

    @property
    def initramfs(self) -> Path:
        """Loads the disk's drivers and hands over to systemd."""
        return self.directory / "initramfs.cpio"

    @property
    def kernel_core(self) -> Path:
        """The RPM of the kernel that is installed in the image."""
        return self.directory / "kernel-core.rpm"

    @property
    def guest_base(self) -> Path:
        """The RPM that speaks for the image's Debian packages."""
        return self.directory / "guest-base.rpm"


def guest_image(kernel: StockKernel, userland: Userland = DNF4) -> GuestImage:
    """The image of ``userland`` and ``kernel``, built on first use (about a minute, half of it the download)."""
    here = Path(__file__).parent
    sources = [here / "agent.py", here / "image.py", here / "rpms.py"]
    key = cache.key_of(str(kernel.root), repr(userland), *sources)
    return GuestImage(kernel, cache.entry("guests", key, lambda directory: _build(kernel, userland, directory)))


def _build(kernel: StockKernel, userland: Userland, directory: Path) -> None:
    tree = _tree(userland)
    root = directory / "root"
    root.mkdir()
    try:
        _run("tar", "-xpf", tree / "root.tar", "-C", root)
        _configure(root, userland)
        built = rpms.build_kernel_core(kernel, directory / "kernel-core")
        built.rename(directory / "kernel-core.rpm")
        built = rpms.build_guest_base(root, directory / "guest-base")
        built.rename(directory / "guest-base.rpm")
        packages = [directory / "kernel-core.rpm", directory / "guest-base.rpm"]
        database = _run("chroot", root, "rpm", "--eval", "%{_dbpath}").strip()
        _run("rpm", "--root", root, "--dbpath", database, "--force-debian", "-i", *packages)
        _run("mkfs.ext4", "-q", "-F", "-L", "guest", "-d", root, directory / "disk.ext4", IMAGE_SIZE)
        _make_initramfs(kernel, directory)
    finally:
        _run("rm", "-rf", root, directory / "kernel-core", directory / "guest-base")


def _tree(userland: Userland) -> Path:
    """The guest's packages as ``root.tar``; the mirror and its options are those of this machine."""
    packages = [*PACKAGES, *userland.packages]

    def make(directory: Path) -> None:
        debootstrap(userland.suite, packages, directory / "root.tar", directory, "--variant=essential")

    return cache.entry("trees", cache.key_of(userland.suite, *packages), make)


def _configure(root: Path, userland: Userland) -> None:
    here = Path(__file__).parent
    units = root / "etc/systemd/system"
    files = {
        root / "usr/local/lib/guest-agent.py": (here / "agent.py").read_text(),
        units / "guest-agent.service": AGENT_UNIT,
        units / "guest-network.service": NETWORK_UNIT,
        root / "etc/fstab": "",
        root / "etc/hostname": "guest\n",
        root / "etc/machine-id": "d" * 32 + "\n",
        root / "etc/systemd/network/10-names.link": "[Match]\nOriginalName=*\n[Link]\nNamePolicy=\nName=eth0\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    for unit in ("guest-agent.service", "guest-network.service"):
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")
    for name in ("dnf", "yum"):
        if not (root / "usr/bin" / name).exists():
            (root / "usr/bin" / name).symlink_to(userland.dnf)


def _make_initramfs(kernel: StockKernel, directory: Path) -> None:
    stage = directory / "initramfs"
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (stage / name).mkdir(parents=True)
    _run("cp", "/bin/busybox", stage / "bin/busybox")
    (stage / "bin/sh").symlink_to("busybox")
    needed = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "crc32c_generic", "ext4"]
    modules = [rpms.copy_module(path, stage / "modules") for path in rpms.module_closure(kernel, needed)]
    (stage / "modules.order").write_text("".join(f"{path.name}\n" for path in modules))
    (stage / "init").write_text(INIT)
    (stage / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(stage)) for path in sorted(stage.rglob("*")))
    with open(directory / "initramfs.cpio", "wb") as stream:
        argv = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
        subprocess.run(argv, cwd=stage, input=names.encode(), stdout=stream, check=True, timeout=60)
    _run("rm", "-rf", stage)


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
    command = " ".join(str(arg) for arg in argv)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
