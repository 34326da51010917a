"""Modules into and out of the kernel: insmod, rmmod, modprobe, and what their failures mean."""

import contextlib
import errno
import os
import re
from typing import Dict, Optional, Sequence

from kpatch.errors import InUse, KpatchError, Refused
from kpatch.host import sysfs, wait
from kpatch.host.files import read_text
from kpatch.host.modinfo import ModInfo
from kpatch.host.paths import CORE_MODULE, Paths
from kpatch.log import logger
from kpatch.run import run

__all__ = ["RETRY_PAUSES", "busy", "check_kernel", "insert", "load_core", "remove"]

RETRY_PAUSES = (1.0, 2.0, 3.0, 4.0)
"""Seconds between tries while a function is in use: five tries in ten seconds, as users of kpatch know it."""

_SIGNED = b"~Module signature appended~\n"
_REFCOUNT_TIMEOUT = 15.0
_TOOL_TIMEOUT = 300.0

# kmod and busybox have words of their own for some numbers; the rest is strerror().
_WORDS = {
    "invalid module format": errno.ENOEXEC,
    "unknown symbol in module": errno.ENOENT,
    "module has wrong symbol version": errno.ESRCH,
    "invalid parameters": errno.EINVAL,
}
_NUMBERS = (
    errno.EBUSY,
    errno.EEXIST,
    errno.EKEYREJECTED,
    errno.ENOKEY,
    errno.EPERM,
    errno.EACCES,
    errno.ENOMEM,
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENODEV,
    errno.ENOENT,
    errno.EBADMSG,
    errno.EOPNOTSUPP,
)


def insert(paths: Paths, info: ModInfo, pauses: Sequence[float] = RETRY_PAUSES) -> None:
    """Load the module of ``info``; while its functions are in use, try again after each of ``pauses`` (seconds).

    Raises :class:`InUse` naming the tasks, or :class:`Refused` with what the kernel or the core module says.
    """
    check_kernel(paths, info)
    _label(paths, info.path)
    for number, pause in enumerate([*pauses, None], 1):
        done = run(["insmod", info.path], env=_tool_path(), check=False, timeout=_TOOL_TIMEOUT)
        if done.returncode == 0:
            return
        code = _errno_of(done.stderr)
        if code != errno.EBUSY or pause is None:
            raise _failure(paths, info, code, done.stderr.strip())
        logger.info("%s: a function is in use; try %d of %d follows", info.module, number + 1, len(pauses) + 1)
        wait.sleep(pause)


def remove(paths: Paths, name: str) -> None:
    """Remove the module ``name`` when nothing uses it any more; a module that is not there is fine.

    Raises :class:`KpatchError` when it stays.
    """
    if not sysfs.has_module(paths, name):
        return
    refcount = os.path.join(paths.module_sysfs, name, "refcnt")
    wait.until(lambda: (read_text(refcount) or "0") == "0", _REFCOUNT_TIMEOUT, "the last user of {}".format(name))
    done = run(["rmmod", name], env=_tool_path(), check=False, timeout=_TOOL_TIMEOUT)
    if done.returncode != 0 and sysfs.has_module(paths, name):
        raise KpatchError(
            "cannot remove the module {}: {}".format(name, done.stderr.strip() or "rmmod failed"),
            "it does not patch any more; see dmesg, and try again later",
        )


def load_core(paths: Paths, release: str) -> None:
    """Have the core module in the kernel; raises :class:`Refused` or :class:`KpatchError`."""
    if sysfs.core_version(paths) is not None:
        return
    done = run(["modprobe", CORE_MODULE], env=_tool_path(), check=False, timeout=_TOOL_TIMEOUT)
    messages = [done.stderr.strip()]
    for path in paths.core_modules(release):
        if sysfs.core_version(paths) is not None:
            return
        if os.path.exists(path):
            _label(paths, path)
            done = run(["insmod", path], env=_tool_path(), check=False, timeout=_TOOL_TIMEOUT)
            messages.append(done.stderr.strip())
    if sysfs.core_version(paths) is not None:
        return
    if not any(os.path.exists(path) for path in paths.core_modules(release)):
        raise KpatchError(
            "the core module kpatch.ko is not installed for kernel {}".format(release),
            "dnf install 'kpatch-core({})'".format(release),
        )
    tried = next(path for path in reversed(paths.core_modules(release)) if os.path.exists(path))
    raise _core_failure(paths, tried, _errno_of(messages[-1]), messages[-1])


def check_kernel(paths: Paths, info: ModInfo) -> None:
    """Raise :class:`Refused` unless the module was built for the running kernel."""
    if info.release != paths.release:
        raise Refused(
            "{} was built for kernel {}, but {} is running".format(info.module, info.release or "?", paths.release),
            "install the patch for the running kernel: dnf install 'kpatch-patch = {}'".format(paths.release),
        )


def busy(paths: Paths, name: str, verb: str) -> InUse:
    """The error for "a task is in a function that would be switched", with the tasks that the core module saw."""
    refusal = sysfs.last_refusal(paths, name)
    blockers = refusal.blockers if refusal is not None else []
    tasks = "; ".join(str(blocker) for blocker in blockers[:5])
    if len(blockers) > 5:
        tasks += " and {} more".format(len(blockers) - 5)
    reason = "in use by " + tasks if tasks else (refusal.reason if refusal is not None else "")
    return InUse(
        "cannot {} {}: {}".format(verb, name, reason or "one of its functions is in use"),
        "nothing was changed; when these tasks are done or restarted, run: kpatch apply",
    )


def _failure(paths: Paths, info: ModInfo, code: int, said: str) -> KpatchError:
    """What a failed insmod of a patch means."""
    refusal = sysfs.last_refusal(paths, info.module)
    if code == errno.EBUSY and info.interface == "livepatch":
        return InUse(
            "cannot load {}: another hot patch redirects one of its functions, or livepatch is still switching".format(
                info.module
            ),
            "nothing was changed; dmesg names the function; then run: kpatch apply",
        )
    if code == errno.EBUSY:
        return busy(paths, info.module, "load")
    if refusal is not None and refusal.errno == code and refusal.reason:
        return Refused("the core module refused {}: {}".format(info.module, refusal.reason), "see also dmesg")
    if code == errno.EEXIST:
        return Refused(
            "a module named {} is already in the kernel".format(info.module),
            "remove it first: kpatch unload {}".format(info.module),
        )
    if code == errno.EOPNOTSUPP or (code == errno.ENOENT and info.interface == "livepatch"):
        return Refused(
            "this kernel cannot load {}: {}".format(info.module, said.rsplit(": ", 1)[-1]),
            "its livepatch support is missing",
        )
    return _core_failure(paths, info.path, code, said)


def _core_failure(paths: Paths, path: str, code: int, said: str) -> KpatchError:
    """Refusals that concern any module: signature, lockdown, format."""
    release = paths.release
    what = os.path.basename(path)
    if code in (errno.EKEYREJECTED, errno.ENOKEY, errno.EBADMSG):
        return _distrust(release, path)
    if code in (errno.EPERM, errno.EACCES):
        return _permission(paths, what)
    if code in (errno.ENOEXEC, errno.ESRCH):
        return Refused(
            "{} does not fit the running kernel {}".format(what, release),
            "its version magic or symbol versions differ (see dmesg): install the build for {}".format(release),
        )
    if code == errno.ENOENT:
        return Refused(
            "{} needs a symbol that the running kernel {} does not have".format(what, release),
            "see dmesg for its name; is it the build for {}?".format(release),
        )
    return Refused(
        "the kernel refused {}: {}".format(what, said.rsplit(": ", 1)[-1] or "no reason given"), "see dmesg"
    )


def _distrust(release: str, path: str) -> Refused:
    what = os.path.basename(path)
    if not _is_signed(path):
        return Refused(
            "{} is not signed, and kernel {} takes only signed modules".format(what, release),
            "install a patch that your vendor has signed, or build it with kpatch-build --sign-key and --sign-cert "
            "and enrol that certificate (mokutil --import)",
        )
    return Refused(
        "kernel {} does not trust the signature of {}".format(release, what),
        "enrol the signer's certificate (mokutil --import) or install a patch that your vendor has signed",
    )


def _is_signed(path: str) -> bool:
    """Whether a signature stands behind the module (kernel: MODULE_SIG_STRING)."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(_SIGNED), os.SEEK_END)
            return file.read() == _SIGNED
    except OSError:
        return False


def _permission(paths: Paths, what: str) -> KpatchError:
    if read_text(paths.under("proc/sys/kernel/modules_disabled")) == "1":
        return Refused(
            "cannot load {}: module loading is switched off (kernel.modules_disabled=1)".format(what),
            "it stays off until the next boot; the boot service loads the patch before you switch it off again",
        )
    lockdown = re.search(r"\[(\w+)\]", read_text(paths.under("sys/kernel/security/lockdown")) or "")
    if lockdown and lockdown.group(1) != "none":
        return Refused(
            "cannot load {}: the kernel is locked down ({})".format(what, lockdown.group(1)),
            "only modules signed with a trusted key load then: enrol the signer's certificate (mokutil --import)",
        )
    return Refused(
        "cannot load {}: not permitted".format(what), "run it as root; if you are: see dmesg and the audit log"
    )


def _errno_of(said: str) -> int:
    """The error number behind the words of insmod (kmod or busybox); 0 when they are unknown."""
    words = said.lower()
    for text, number in _WORDS.items():
        if text in words:
            return number
    for number in _NUMBERS:
        if os.strerror(number).lower() in words:
            return number
    return 0


def _tool_path() -> Dict[str, str]:
    """PATH with the directories of insmod: a service or a plain user's sudo may lack them."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"}


def _label(paths: Paths, path: str) -> Optional[str]:
    """Give the file the SELinux type that may be loaded as a module; without SELinux nothing happens."""
    if not os.path.exists(paths.under("sys/fs/selinux/enforce")):
        return None
    with contextlib.suppress(OSError):
        label = os.getxattr(path, "security.selinux").decode().rstrip("\0")
        parts = label.split(":")
        if len(parts) >= 3 and parts[2] != "modules_object_t":
            parts[2] = "modules_object_t"
            label = ":".join(parts)
            os.setxattr(path, "security.selinux", label.encode())
        return label
    return None
