"""Symbol namespaces: the hot patch imports what its objects import (MODULE_IMPORT_NS)."""

from __future__ import annotations

from kpatch.diff.model import View
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section

__all__ = ["carry_namespaces"]


def carry_namespaces(view: View, out: ElfObject) -> list[str]:
    """Copy the ``import_ns`` lines of ``.modinfo`` to ``out``; returns the namespaces."""
    lines = [
        line
        for section in view.obj.sections
        if section.name == ".modinfo"
        for line in section.data.split(b"\0")
        if line.startswith(b"import_ns=")
    ]
    if lines:
        data = b"".join(line + b"\0" for line in sorted(set(lines)))
        out.add_section(Section(".modinfo", flags=c.SHF_ALLOC, data=data))
    return [line.partition(b"=")[2].decode("utf-8", "replace") for line in sorted(set(lines))]
