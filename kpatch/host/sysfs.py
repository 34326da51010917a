"""What the kernel says about loaded patches: the core module's interface and livepatch's.

The files of the core module: docs/sysfs-abi.md.  Those of livepatch: Documentation/ABI/testing/sysfs-kernel-livepatch.
"""

import os
import re
from typing import Dict, List, NamedTuple, Optional

from kpatch.host.files import read_text
from kpatch.host.paths import Paths

__all__ = [
    "Blocker",
    "LoadedPatch",
    "Refusal",
    "core_version",
    "has_module",
    "last_refusal",
    "loaded",
    "stalled_tasks",
]


class LoadedPatch(NamedTuple):
    """One patch module in the kernel.

    ``state`` is ``enabled``, ``disabled``, ``replaced``, and in between ``enabling`` and ``disabling``.  ``checksum``
    is empty where the interface does not tell.  ``functions``: how many it redirects, or will.  ``waits_for``:
    modules that it changes as soon as they are loaded.
    """

    name: str
    interface: str
    state: str
    checksum: str
    functions: int
    waits_for: List[str]

    @property
    def active(self) -> bool:
        """Does it change the kernel now?"""
        return self.state in ("enabled", "enabling")


class Blocker(NamedTuple):
    """A task that is inside a function that would be switched; ``where``: the frame in which it waits."""

    pid: int
    comm: str
    function: str
    where: str

    def __str__(self) -> str:
        symbol = self.where.split("+")[0]
        place = "" if symbol in ("", "-", self.function) else ", waiting in {}".format(symbol)
        # The core module puts words in parentheses where it has no function to name.
        inside = " {}{}".format("" if self.function.startswith("(") else "in ", self.function) if self.function else ""
        return "{} (pid {}){}{}".format(self.comm, self.pid, inside, place)


class Refusal(NamedTuple):
    """Why the core module refused the last time; ``errno`` is positive."""

    patch: str
    errno: int
    reason: str
    blockers: List[Blocker]


def core_version(paths: Paths) -> Optional[str]:
    """Version of the core module in the kernel, or None when it is not loaded."""
    return read_text(os.path.join(paths.core_sysfs, "version"))


def loaded(paths: Paths) -> Dict[str, LoadedPatch]:
    """All patch modules in the kernel by name: the core module's, then livepatch's."""
    found = {}
    for name in _directories(paths.core_sysfs):
        folder = os.path.join(paths.core_sysfs, name)
        state = read_text(os.path.join(folder, "state"))
        if state is None:
            state = "enabled" if read_text(os.path.join(folder, "enabled")) == "1" else "disabled"
        checksum = read_text(os.path.join(folder, "checksum")) or ""
        found[name] = LoadedPatch(name, "core", state, checksum, _count_functions(folder), _waits_for(folder, state))
    for name in _directories(paths.livepatch_sysfs):
        folder = os.path.join(paths.livepatch_sysfs, name)
        state = "enabled" if read_text(os.path.join(folder, "enabled")) == "1" else "disabled"
        if read_text(os.path.join(folder, "transition")) == "1":
            state = "enabling" if state == "enabled" else "disabling"
        found[name] = LoadedPatch(name, "livepatch", state, "", _count_functions(folder), _waits_for(folder, state))
    return found


def has_module(paths: Paths, name: str) -> bool:
    """Is a module of this name in the kernel, patching or not?"""
    return any(line.split(" ", 1)[0] == name for line in (read_text(paths.modules) or "").splitlines())


def last_refusal(paths: Paths, patch: str) -> Optional[Refusal]:
    """The core module's last refusal when it was about ``patch``."""
    facts = {}
    blockers = []
    for line in (read_text(os.path.join(paths.core_sysfs, "last_refusal")) or "").splitlines():
        key, _, value = line.partition(":")
        if key == "blocker":
            blocker = _parse_blocker(value.lstrip(" "))
            if blocker is not None:
                blockers.append(blocker)
        else:
            facts[key] = value.strip()
    if facts.get("patch") != patch:
        return None
    number = facts.get("errno", "")
    return Refusal(patch, int(number) if number.isdigit() else 0, facts.get("reason", ""), blockers)


def _parse_blocker(text: str) -> Optional[Blocker]:
    fields = [*text.split("\t"), "", "", ""]
    if not re.fullmatch("[0-9]+", fields[0].strip()):
        return None
    return Blocker(int(fields[0]), fields[1], fields[2], fields[3])


def stalled_tasks(paths: Paths, enabling: bool) -> List[Blocker]:
    """Tasks that hold up a livepatch transition: /proc/PID/task/TID/patch_state is not yet the target state."""
    target = "1" if enabling else "0"
    found = []
    for pid in filter(str.isdigit, _directories(paths.under("proc"))):
        tasks = paths.under("proc/{}/task".format(pid))
        for tid in _directories(tasks):
            folder = os.path.join(tasks, tid)
            state = read_text(os.path.join(folder, "patch_state"))
            if state is not None and state not in ("-1", target):
                frames = re.findall(r"\] (\S+?)\+", read_text(os.path.join(folder, "stack")) or "")
                found.append(
                    Blocker(int(tid), read_text(os.path.join(folder, "comm")) or "?", "", (frames or [""])[0])
                )
    return found


def _directories(folder: str) -> List[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []


def _waits_for(folder: str, state: str) -> List[str]:
    """The objects that an enabled patch is for and has not patched: their module is not loaded."""
    if state != "enabled":
        return []
    return [name for name in _directories(folder) if read_text(os.path.join(folder, name, "patched")) == "0"]


def _count_functions(folder: str) -> int:
    return sum(len(_directories(os.path.join(folder, name))) for name in _directories(folder))
