"""The one apply engine: bring the running kernel to what is installed for it, idempotent and under one lock.

The dnf plugin, dnf5's action, rpm's file trigger and the boot service all call :func:`apply`.  The first that comes
acts, the others find nothing to do.
"""

from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from kpatch.errors import EXIT_BUSY, EXIT_ERROR, EXIT_REFUSED, KpatchError
from kpatch.host import guard, kmod, loader, retry, store, sysfs
from kpatch.host.lock import Lock
from kpatch.host.modinfo import ModInfo
from kpatch.host.paths import Paths
from kpatch.host.plan import Step, make_plan
from kpatch.host.state import State
from kpatch.host.sysfs import LoadedPatch

__all__ = ["Outcome", "Result", "apply"]


class Result(NamedTuple):
    """What became of one patch: ``action`` is loaded, enabled, unloaded, kept or superseded; with ``ok`` false, what
    failed to come about, ``exit_code`` by which error, and ``hint`` what to do."""

    patch: str
    action: str
    ok: bool
    message: str
    exit_code: int = 0
    hint: str = ""

    @property
    def changed(self) -> bool:
        """Did the kernel change?"""
        return self.ok and self.action not in ("kept", "superseded")


class Outcome(NamedTuple):
    """Result of one run; ``skipped``: why this is not the place to change the kernel.  ``retrying``: a timer runs."""

    skipped: Optional[str]
    results: List[Result]
    retrying: bool = False

    @property
    def exit_code(self) -> int:
        """0, or the gravest of the failures: refused, error, in use (which heals by itself)."""
        codes = [result.exit_code for result in self.results if not result.ok]
        for code in (EXIT_REFUSED, EXIT_ERROR, EXIT_BUSY):
            if code in codes:
                return code
        return codes[0] if codes else 0


def apply(paths: Paths, boot: bool = False, unload: bool = True, guarded: bool = True) -> Outcome:
    """Load what is installed for the running kernel and not active; with ``unload``, remove what is installed no more.

    Patches that somebody loaded by hand are never unloaded (a cumulative patch takes their place when it is loaded, as
    it does with any).  ``boot``: the boot service asks.  ``guarded`` false skips the context guard.
    Raises :class:`~kpatch.errors.Locked`; failures of single patches are results.
    """
    skipped = guard.reason(paths, boot) if guarded else None
    if skipped is not None:
        return Outcome(skipped, [])
    with Lock(paths):
        state = State(paths)
        results = _bring_about(paths, state, unload)
        state.failures = {result.patch: result.message for result in results if not result.ok}
        retrying = retry.schedule(paths, state, any(result.exit_code == EXIT_BUSY for result in results))
        state.save()
    return Outcome(None, results, retrying)


def _bring_about(paths: Paths, state: State, unload: bool) -> List[Result]:
    contents = store.read(paths, paths.release)
    results = [
        Result(kmod_name(fault), "loaded", False, fault.message, fault.exit_code, fault.hint or "")
        for fault in contents.faults
    ]
    loaded = sysfs.loaded(paths)
    state.known = {name: known for name, known in state.known.items() if name in loaded}
    managed = [name for name, known in state.known.items() if known.managed]
    for step in make_plan(contents.patches, loaded, managed):
        if step.verb == "unload":
            if not unload:
                continue
            if any(not result.ok for result in results[len(contents.faults) :]):
                # Better the old patch than none: its successor could not be loaded.
                results.append(Result(step.patch, "kept", True, "its successor is not loaded"))
                continue
        result = _take(paths, state, step)
        if result is not None:
            results.append(result)
    return results


def kmod_name(fault: KpatchError) -> str:
    """The file that a fault of the store is about; its message starts with or names the path."""
    words = [word for word in fault.message.split() if ".ko" in word]
    return words[0].rsplit("/", 1)[-1].rstrip(":") if words else "store"


def _take(paths: Paths, state: State, step: Step) -> Optional[Result]:
    """Take one step and put its outcome, good or bad, into a result; None when there was nothing left to do."""
    actions: Dict[str, Tuple[str, Callable[[Paths, State, Step], Optional[str]]]] = {
        "load": ("loaded", _load),
        "reload": ("loaded", _reload),
        "enable": ("enabled", _enable),
        "keep": ("kept", _keep),
        "stale": ("loaded", _stale),
        "supersede": ("superseded", _supersede),
        "unload": ("unloaded", _unload),
    }
    action, function = actions[step.verb]
    try:
        message = function(paths, state, step)
    except KpatchError as error:
        return Result(step.patch, action, False, error.message, error.exit_code, error.hint or "")
    return None if message is None else Result(step.patch, action, True, message)


def _info(step: Step) -> ModInfo:
    assert step.info is not None
    return step.info


def _load(paths: Paths, state: State, step: Step) -> str:
    info = _info(step)
    replaced = loader.load(paths, info)
    state.learn(info, managed=True)
    for name in replaced:
        state.known.pop(name, None)
    return describe(info, sysfs.loaded(paths).get(info.module), replaced)


def _reload(paths: Paths, state: State, step: Step) -> str:
    kmod.remove(paths, step.patch)
    return _load(paths, state, step)


def _enable(paths: Paths, state: State, step: Step) -> str:
    info = _info(step)
    loader.enable(paths, sysfs.loaded(paths)[info.module])
    state.learn(info, managed=True)
    return describe(info, None, [])


def _keep(_paths: Paths, state: State, step: Step) -> str:
    state.learn(_info(step), managed=True)
    return "already loaded"


def _stale(_paths: Paths, _state: State, step: Step) -> str:
    raise KpatchError(
        "{}, it stays active".format(step.note),
        "to take the installed build, unpatched for a moment: kpatch unload {0} && kpatch load {0}".format(step.patch),
    )


def _supersede(_paths: Paths, _state: State, step: Step) -> str:
    return step.note


def _unload(paths: Paths, state: State, step: Step) -> Optional[str]:
    patch = sysfs.loaded(paths).get(step.patch)
    if patch is None:
        return None  # a replacing patch has removed it meanwhile
    loader.unload(paths, patch)
    state.known.pop(step.patch, None)
    return "its package is not installed any more"


def describe(info: ModInfo, now: Optional[LoadedPatch], replaced: List[str]) -> str:
    """``2 functions, fixes CVE-2024-1, replaces kpatch_x``: what a user wants to know of a loaded patch."""
    parts = []
    if now is not None and now.functions:
        parts.append("{} function{}".format(now.functions, "" if now.functions == 1 else "s"))
    if info.cves:
        parts.append("fixes " + " ".join(info.cves))
    if replaced:
        parts.append("replaces " + " ".join(replaced))
    return ", ".join(parts)
