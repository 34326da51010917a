"""Facts and results as the plain lines that people read; the same for the utility and for dnf."""

from typing import Any, Dict, List

from kpatch.host.engine import Outcome, Result
from kpatch.host.modinfo import ModInfo

__all__ = ["info_lines", "list_lines", "outcome_lines", "result_line", "status_lines"]


def result_line(result: Result) -> str:
    """``kpatch_x loaded: fixes CVE-2024-1`` or ``kpatch_x NOT loaded: ...``."""
    verb = {"kept": "active"}.get(result.action, result.action) if result.ok else "NOT " + result.action
    if result.ok and result.action == "superseded":
        verb = "not loaded"
    return "{} {}{}".format(result.patch, verb, ": " + result.message if result.message else "")


def outcome_lines(outcome: Outcome, everything: bool = True) -> List[str]:
    """The lines of one run of the engine; without ``everything`` only changes and failures."""
    if outcome.skipped is not None:
        return ["no patch is loaded or unloaded: " + outcome.skipped] if everything else []
    lines = []
    for result in outcome.results:
        if everything or result.changed or not result.ok:
            lines.append(result_line(result))
            if result.hint:
                lines.append("hint: " + result.hint)
    if outcome.retrying:
        lines.append("it is tried again every minute (kpatch-retry.timer)")
    return lines


def list_lines(loaded: List[Dict[str, Any]], installed: List[Dict[str, Any]]) -> List[str]:
    """``kpatch list``: the two paragraphs that users and scripts know, then modules that are waited for."""
    lines = ["Loaded patch modules:"]
    lines += ["{} [{}]".format(patch["name"], patch["state"]) for patch in loaded]
    lines += ["", "Installed patch modules:"]
    lines += ["{} ({})".format(patch["name"], patch["release"]) for patch in installed]
    waiting = [patch for patch in loaded if patch["waits_for"]]
    if waiting:
        lines += ["", "Waiting for modules that are not loaded:"]
        lines += ["{} for {}".format(patch["name"], ", ".join(patch["waits_for"])) for patch in waiting]
    return lines


def info_lines(info: ModInfo) -> List[str]:
    """``kpatch info``: the facts of one module file, aligned."""
    rows = [
        ("file", info.path),
        ("module", info.module),
        ("kernel", info.release),
        ("version", info.get("kpatch_version")),
        ("description", info.get("description")),
        ("license", info.get("license")),
        ("interface", info.interface),
        ("replaces", "all patches loaded before" if info.replaces else "nothing"),
        ("fixes", " ".join(info.cves)),
        ("checksum", info.checksum),
        ("depends", info.get("depends")),
        ("vermagic", info.get("vermagic")),
    ]
    return _aligned([row for row in rows if row[1]])


def status_lines(facts: Dict[str, Any]) -> List[str]:
    """``kpatch status``: the verdict first, then what it rests on."""
    core = facts["core_version"]
    rows = [("status", _verdict(facts)), ("running kernel", facts["release"])]
    rows.append(("core module", core if core is not None else "not loaded"))
    for patch in facts["loaded"]:
        cves = "CVEs unknown" if patch["cves"] is None else " ".join(patch["cves"]) or "no CVE named"
        rows.append(("loaded", "{} [{}] {}{}".format(patch["name"], patch["state"], cves, _waiting(patch))))
    rows.append(("fixed CVEs", " ".join(facts["cves"]) or "none"))
    for blocker in facts["blockers"]:
        rows.append(("pending", "{}: {}".format(blocker["patch"], blocker["reason"])))
    rows += [("damaged", fault) for fault in facts["damaged"]]
    if facts["boot_disabled"]:
        rows.append(("at boot", "not loaded: " + facts["boot_disabled"]))
    if facts["guard"]:
        rows.append(("here", facts["guard"]))
    return _aligned(rows)


def _waiting(patch: Dict[str, Any]) -> str:
    """What a patch will change once modules are loaded that are not; empty when it waits for none."""
    names = ", ".join(patch["waits_for"])
    return ", waits for module {}".format(names) if names else ""


def _verdict(facts: Dict[str, Any]) -> str:
    if facts["pending"] or facts["damaged"]:
        return "NOT everything that is installed is active" + (", retrying" if facts["retrying"] else "")
    if any(patch["active"] for patch in facts["loaded"]):
        return "patched"
    return "no patch is installed for the running kernel"


def _aligned(rows: List[Any]) -> List[str]:
    width = max(len(row[0]) for row in rows) + 1
    return ["{:<{}} {}".format(name + ":", width, value) for name, value in rows]
