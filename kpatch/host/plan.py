"""From "what should be in the kernel" and "what is" to the steps between them; nothing is touched here.

The order keeps the machine patched all the time: new patches first (a cumulative one replaces its forerunner in one
step), removals last.
"""

from typing import Dict, List, NamedTuple, Optional

from kpatch.host.modinfo import ModInfo
from kpatch.host.store import Installed, current
from kpatch.host.sysfs import LoadedPatch

__all__ = ["Step", "make_plan"]


class Step(NamedTuple):
    """One step: ``verb`` is load, reload, enable, keep, stale, supersede or unload; ``info`` is None for unload."""

    verb: str
    patch: str
    info: Optional[ModInfo]
    note: str


def make_plan(installed: List[Installed], loaded: Dict[str, LoadedPatch], managed: List[str]) -> List[Step]:
    """The steps that bring the kernel to what is installed.

    ``managed``: names of loaded patches that may be unloaded when they are not wanted any more.
    """
    wanted = current(installed)
    steps = [_step_for(patch.info, loaded.get(patch.module)) for patch in wanted]
    names = {patch.module for patch in wanted}
    if wanted:
        series = {patch.series[0]: patch for patch in wanted}
        for patch in installed:
            if patch.module not in names and patch.series[0] not in series:
                note = "{} takes its place: only one patch that replaces all others can be active".format(
                    wanted[0].module
                )
                steps.append(Step("supersede", patch.module, patch.info, note))
    gone = [name for name in managed if name in loaded and name not in names]
    return steps + [Step("unload", name, None, "") for name in gone]


def _step_for(info: ModInfo, now: Optional[LoadedPatch]) -> Step:
    """The one step that an installed patch needs."""
    if now is None:
        return Step("load", info.module, info, "")
    same = not (now.checksum and info.checksum) or now.checksum == info.checksum
    if now.active and same:
        return Step("keep", info.module, info, "")
    if now.active:
        return Step("stale", info.module, info, "another build of the same name is loaded")
    if now.state == "replaced" or not same:
        return Step("reload", info.module, info, "")  # its module is dead weight: out with it first
    return Step("enable", info.module, info, "")
