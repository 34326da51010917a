"""The machine's state in plain facts: what is loaded and installed, which CVEs the *running* kernel has fixed."""

from typing import Any, Dict, List

from kpatch.errors import KpatchError
from kpatch.host import guard, store, sysfs
from kpatch.host.paths import Paths
from kpatch.host.state import State

__all__ = ["facts", "installed_facts", "loaded_facts"]


def facts(paths: Paths) -> Dict[str, Any]:
    """All facts as one JSON document; the man page kpatch(8) lists its keys.

    ``cves`` counts only what is active in the running kernel and of known content; ``pending`` is installed for the
    running kernel and should be active, but is not.
    """
    release = paths.release
    state = State(paths)
    contents = store.read(paths, release)
    loaded = loaded_facts(paths)
    active = {patch["name"] for patch in loaded if patch["active"]}
    pending = [patch.module for patch in store.current(contents.patches) if patch.module not in active]
    return {
        "release": release,
        "core_version": sysfs.core_version(paths),
        "loaded": loaded,
        "installed": [fact for one in store.releases(paths) for fact in installed_facts(paths, one)],
        "damaged": [fault.message for fault in contents.faults],
        "cves": sorted({cve for patch in loaded if patch["active"] for cve in patch["cves"] or []}),
        "pending": pending,
        "blockers": [_blockers(paths, state, name) for name in pending],
        "retrying": state.retrying,
        "boot_disabled": guard.boot_disabled(paths),
        "guard": guard.reason(paths),
    }


def loaded_facts(paths: Paths) -> List[Dict[str, Any]]:
    """One dict per patch in the kernel; ``cves`` is None when its file is not known."""
    state = State(paths)
    try:
        installed = {patch.module: patch.info for patch in store.read(paths, paths.release).patches}
    except KpatchError:
        installed = {}
    result = []
    for patch in sysfs.loaded(paths).values():
        cves = None
        for source in (state.known.get(patch.name), installed.get(patch.name)):
            if source is not None and (not patch.checksum or source.checksum == patch.checksum):
                cves = source.cves
                break
        result.append(
            {
                "name": patch.name,
                "interface": patch.interface,
                "state": patch.state,
                "active": patch.active,
                "functions": patch.functions,
                "waits_for": patch.waits_for,
                "checksum": patch.checksum,
                "cves": cves,
                "installed": patch.name in installed,
            }
        )
    return result


def installed_facts(paths: Paths, release: str) -> List[Dict[str, Any]]:
    """One dict per patch in the store of ``release``."""
    return [
        {
            "name": patch.module,
            "release": release,
            "path": paths.shown(patch.info.path),
            "by_hand": patch.by_hand,
            "interface": patch.info.interface,
            "replace": patch.info.replaces,
            "checksum": patch.info.checksum,
            "cves": patch.info.cves,
        }
        for patch in store.read(paths, release).patches
    ]


def _blockers(paths: Paths, state: State, name: str) -> Dict[str, Any]:
    """Why a pending patch is not in the kernel, as far as anybody knows."""
    refusal = sysfs.last_refusal(paths, name)
    tasks = refusal.blockers if refusal is not None else []
    return {
        "patch": name,
        "reason": state.failures.get(name) or (refusal.reason if refusal is not None else "") or "not yet applied",
        "tasks": [dict(task._asdict()) for task in tasks],
    }
