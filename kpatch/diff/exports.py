"""EXPORT_SYMBOL lines that come or go: the table of a running kernel or module stays as it is.

A new export would not be there for those who need it; what is exported no more may go on being used while it is there.
"""

from __future__ import annotations

from kpatch.diff.model import Entity, View
from kpatch.diff.result import DiffResult

__all__ = ["PREFIXES", "check_exports"]

PREFIXES = ("__ksymtab", "___ksymtab", "___kcrctab", "__kcrctab", ".export_symbol")
"""Sections with one export each (``___ksymtab+foo``), or with all of an object (from Linux 6.4 on)."""
_ADDRESS = 8
"""Bytes of the address with which an entry of ``.export_symbol`` ends."""
_REMEDY = (
    "leave EXPORT_SYMBOL lines as they are, since a running kernel's symbol table does not change: "
    "keep a removed one with its function, and put the users of a new one into this patch"
)


def check_exports(old: View, new: View, ignored: set[str], result: DiffResult) -> None:
    """Warn in ``result`` of what the running kernel does not follow, refuse what it would miss."""
    before, after = _exports(old, ignored), _exports(new, ignored)
    kept = {entity.name for entity in (*new.functions, *new.objects)}
    for symbol in sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
        action = "new" if symbol not in before else "removed" if symbol not in after else "changed"
        message = f"an EXPORT_SYMBOL is {action} ({symbol})"
        if action == "removed" and symbol in kept:
            result.warnings.append(f"{message}: modules can go on using it")
        else:
            section = next(iter((before.get(symbol) or after[symbol]).keys()))
            result.refuse("changed-export", symbol, section, message, _REMEDY)


def _exports(view: View, ignored: set[str]) -> dict[str, dict[str, bytes]]:
    """What is exported -> what is said of it, by section."""
    found: dict[str, dict[str, bytes]] = {}
    for section in view.obj.sections:
        if not section.name.startswith(PREFIXES) or section.name.startswith("__ksymtab_strings"):
            continue
        if section.name in ignored:
            continue
        start = 0
        prefix, _, only = section.name.partition("+")
        for at, _, ref in view.body(section, 0, section.size).refs:
            name = only or (ref.target.name if isinstance(ref.target, Entity) else str(ref.target))
            said = found.setdefault(name, {}).setdefault(prefix, b"")
            if only:  # its name and its namespace
                found[name][prefix] = said + (ref.target if isinstance(ref.target, bytes) else b"")
            else:
                found[name][prefix] = said + section.data[start:at]
                start = at + _ADDRESS
    return found
