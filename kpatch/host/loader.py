"""One patch into the kernel, switched on or off, or out of it again, by either interface, and confirmed afterwards."""

import contextlib
import errno
import os
from typing import Dict, List

from kpatch.errors import InUse, KpatchError, Refused
from kpatch.host import kmod, sysfs, wait
from kpatch.host.modinfo import ModInfo
from kpatch.host.paths import Paths
from kpatch.host.sysfs import LoadedPatch
from kpatch.log import logger

__all__ = ["TRANSITION_TIMEOUT", "disable", "enable", "load", "unload"]

TRANSITION_TIMEOUT = 75.0
"""Seconds that livepatch gets to switch all tasks; the kernel itself nudges stalled tasks every 15 s."""

_LATER_TIMEOUT = 20.0
"""Seconds for a switch that the core module makes when its caller has left; it gives up after 10."""


def load(paths: Paths, info: ModInfo) -> List[str]:
    """Load the patch of ``info`` and return the names of the patches that it replaced (removed by now).

    Either the patch is active afterwards or the kernel is as before and :class:`InUse`, :class:`Refused` or another
    :class:`KpatchError` says why.
    """
    kmod.check_kernel(paths, info)
    if info.interface == "core":
        kmod.load_core(paths, paths.release)
    elif not os.path.isdir(paths.livepatch_sysfs):
        raise Refused(
            "{} needs the kernel's livepatch interface, which {} does not have".format(info.module, paths.release),
            "build it for the core module: kpatch-build without --interface livepatch",
        )
    before = sysfs.loaded(paths)
    kmod.insert(paths, info)
    if info.interface == "livepatch":
        _finish_transition(paths, info.module, enabling=True)
    else:
        try:
            _await_later(paths, info.module, "load", True)
        except InUse:
            kmod.remove(paths, info.module)
            raise
    after = sysfs.loaded(paths)
    if info.module not in after or not after[info.module].active:
        with contextlib.suppress(KpatchError):
            kmod.remove(paths, info.module)
        raise Refused("{} was loaded but is not active".format(info.module), "see dmesg")
    return _drop_replaced(paths, info.module, before, after)


def _drop_replaced(
    paths: Paths, name: str, before: Dict[str, LoadedPatch], after: Dict[str, LoadedPatch]
) -> List[str]:
    """Remove the modules that were active before and are not any more; they hold memory only."""
    replaced = []
    for old in before.values():
        now = after.get(old.name)
        if old.name == name or not old.active or (now is not None and now.active):
            continue
        replaced.append(old.name)
        try:
            kmod.remove(paths, old.name)
        except KpatchError as error:
            logger.warning("%s", error)
    return replaced


def enable(paths: Paths, patch: LoadedPatch) -> None:
    """Switch a loaded, disabled patch on; raises :class:`InUse` or :class:`KpatchError`."""
    _switch(paths, patch, True)


def disable(paths: Paths, patch: LoadedPatch) -> None:
    """Switch a patch off; the module stays loaded.  Raises :class:`InUse` or :class:`KpatchError`."""
    _switch(paths, patch, False)


def unload(paths: Paths, patch: LoadedPatch) -> None:
    """Switch the patch off and remove its module; raises :class:`InUse` (it is still on) or :class:`KpatchError`."""
    if patch.state == "disabling" and patch.interface == "livepatch":
        _finish_transition(paths, patch.name, enabling=False)
    elif patch.active or patch.state == "disabling":
        disable(paths, patch)
    kmod.remove(paths, patch.name)


def _switch(paths: Paths, patch: LoadedPatch, on: bool) -> None:
    folder = paths.core_sysfs if patch.interface == "core" else paths.livepatch_sysfs
    path = os.path.join(folder, patch.name, "enabled")
    verb = "enable" if on else "disable"
    pauses = iter(kmod.RETRY_PAUSES)
    while True:
        try:
            with open(path, "w") as stream:
                stream.write("1\n" if on else "0\n")
            break
        except FileNotFoundError:
            if on:
                raise KpatchError("{} is gone from the kernel".format(patch.name), "load it again") from None
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise Refused(
                    "cannot {} {}: {}".format(verb, patch.name, error.strerror), "see dmesg; run it as root"
                ) from error
            pause = next(pauses, None)
            if pause is None:
                raise kmod.busy(paths, patch.name, verb) from error
            logger.info("%s: a function is in use; trying again in %d s", patch.name, pause)
            wait.sleep(pause)
    if patch.interface == "livepatch":
        _finish_transition(paths, patch.name, enabling=on)
    else:
        _await_later(paths, patch.name, verb, on)


def _settled(paths: Paths, name: str) -> bool:
    now = sysfs.loaded(paths).get(name)
    return now is None or now.state not in ("enabling", "disabling")


def _await_later(paths: Paths, name: str, verb: str, on: bool) -> None:
    """Wait until the core module has made a switch that its own caller was in the way of; raises :class:`InUse`."""
    if _settled(paths, name):
        return
    wait.until(lambda: _settled(paths, name), _LATER_TIMEOUT, "the core module to {} {}".format(verb, name))
    now = sysfs.loaded(paths).get(name)
    if now is not None and (now.state == "enabled") != on:
        raise kmod.busy(paths, name, verb)


def _finish_transition(paths: Paths, name: str, enabling: bool) -> None:
    """Wait until livepatch has switched every task; when some stall, go back and raise :class:`InUse`."""
    if wait.until(lambda: _settled(paths, name), TRANSITION_TIMEOUT, "all tasks to switch to {}".format(name)):
        return
    tasks = sysfs.stalled_tasks(paths, enabling)
    shown = "; ".join(str(task) for task in tasks[:5]) or "tasks that cannot be seen"
    verb = "load" if enabling else "disable"
    with contextlib.suppress(OSError):
        with open(os.path.join(paths.livepatch_sysfs, name, "enabled"), "w") as stream:
            stream.write("0\n" if enabling else "1\n")
        wait.until(lambda: _settled(paths, name), TRANSITION_TIMEOUT, "all tasks to switch back")
    if enabling:
        with contextlib.suppress(KpatchError):
            kmod.remove(paths, name)
    raise InUse(
        "cannot {} {}: after {:.0f} s not all tasks have switched: {}".format(verb, name, TRANSITION_TIMEOUT, shown),
        "it was taken back; when these tasks are done or restarted, run: kpatch apply",
    )
