"""Is this the running machine, and may its kernel be changed now?  If not: why not.

dnf and rpm run in many places that are not the machine itself: image builds, installers, chroots, containers.  A
patch must not be loaded from there into the kernel that happens to run below.
"""

import os
from typing import Callable, List, Optional

from kpatch.errors import KpatchError
from kpatch.host.files import read_text
from kpatch.host.paths import Paths
from kpatch.run import run

__all__ = ["boot_disabled", "reason"]

_CAP_SYS_MODULE = 16
_KILL_SWITCH = "kpatch.enable=0"


def reason(paths: Paths, boot: bool = False) -> Optional[str]:
    """Why nothing may be loaded into (or removed from) the running kernel here; None when all is well.

    ``boot``: the boot service asks; only then the kernel command line has a say, and an image-based system loads what
    its image holds.
    """
    checks: List[Callable[[Paths], Optional[str]]] = [_no_proc, _chroot, _container, _capability, _installer]
    checks += [_offline_update, _distribution_upgrade, boot_disabled if boot else _image_based]
    for check in checks:
        answer = check(paths)
        if answer is not None:
            return answer
    return None


def boot_disabled(paths: Paths) -> Optional[str]:
    """The switch of an administrator whose machine does not come up with a patch."""
    words = (read_text(paths.cmdline) or "").split()
    return "{} on the kernel command line".format(_KILL_SWITCH) if _KILL_SWITCH in words else None


def _no_proc(paths: Paths) -> Optional[str]:
    if not os.path.exists(paths.under("proc/self/status")):
        return "/proc is not mounted: this is a chroot or an image build, not the running system"
    return None


def _chroot(paths: Paths) -> Optional[str]:
    """Our root directory is not that of process 1 (needs root to see; others lack the capability anyhow)."""
    try:
        first, own = os.stat(paths.under("proc/1/root")), os.stat(paths.root)
    except OSError:
        return None
    if (first.st_dev, first.st_ino) != (own.st_dev, own.st_ino):
        return "this is a chroot, not the root of the running system"
    return None


def _container(paths: Paths) -> Optional[str]:
    """The marks of podman and docker, and those of the container interface of systemd (nspawn, lxc)."""
    for mark in ("run/.containerenv", ".dockerenv", "run/systemd/container"):
        if os.path.exists(paths.under(mark)):
            return "this is a container (/{} exists): its kernel belongs to the host".format(mark)
    environment = (read_text(paths.under("proc/1/environ")) or "").split("\0")
    if any(entry.startswith("container=") and entry != "container=" for entry in environment):
        return "this is a container (process 1 says so): its kernel belongs to the host"
    return None


def _capability(paths: Paths) -> Optional[str]:
    for line in (read_text(paths.under("proc/self/status")) or "").splitlines():
        if line.startswith("CapEff:"):
            if not int(line.split()[1], 16) >> _CAP_SYS_MODULE & 1:
                return "this process may not load kernel modules (no CAP_SYS_MODULE): run it as root on the host"
            return None
    return "/proc/self/status does not tell our capabilities"


def _installer(paths: Paths) -> Optional[str]:
    """Anaconda: its own environment variable, its directory in /run, its boot options."""
    words = (read_text(paths.cmdline) or "").split()
    options = ("inst.stage2", "inst.ks", "inst.repo", "anaconda")
    if (
        os.environ.get("ANA_INSTALL_PATH")
        or os.path.isdir(paths.under("run/anaconda"))
        or any(word.split("=", 1)[0] in options for word in words)
    ):
        return "the installer (Anaconda) is running: the installed system loads its patches when it boots"
    return None


def _offline_update(paths: Paths) -> Optional[str]:
    """systemd.offline-updates(7): the machine reboots right after it, into whatever kernel is then the default.

    The updater removes the link before it starts, so it is systemd that knows.
    """
    answer = "an offline update is running: the patches are loaded after the reboot"
    words = (read_text(paths.cmdline) or "").split()
    if "systemd.unit=system-update.target" in words:
        return answer
    if paths.is_host and os.path.isdir("/run/systemd/system"):
        try:
            active = run(["systemctl", "is-active", "--quiet", "system-update.target"], check=False, timeout=20)
        except KpatchError:
            return None
        return answer if active.returncode == 0 else None
    return None


def _distribution_upgrade(_paths: Paths) -> Optional[str]:
    """Leapp sets its variable for every package scriptlet of an in-place upgrade."""
    if os.environ.get("LEAPP_IPU_IN_PROGRESS"):
        return "an upgrade to the next major release is running (LEAPP_IPU_IN_PROGRESS is set)"
    return None


def _image_based(paths: Paths) -> Optional[str]:
    """bootc and rpm-ostree: a package that is not in the image is gone after the next boot."""
    if os.path.exists(paths.under("run/ostree-booted")):
        return "this system is image-based (bootc, ostree): put the patch into its image"
    return None
