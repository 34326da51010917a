"""Indirect branch tracking: functions whose address a patch is the first to take must still have their landing pad.

A kernel with IBT overwrites at boot the ENDBR of each function whose address nothing in vmlinux takes; the
functions stand in the image's ``.ibt_endbr_seal`` (arch/x86/kernel/alternative.c, apply_seal_endbr).  A pointer
to one of them, or to a function that never had an ENDBR, faults when it is called.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from kpatch.build.anchor import locate
from kpatch.build.match import Match
from kpatch.errors import Unpatchable
from kpatch.kernel.image import KernelImage
from kpatch.kernel.symbols import SymbolTable

__all__ = ["check_landing_pads", "sealed_functions"]

_ENDBR64 = bytes.fromhex("f30f1efa")
_START, _END = "__ibt_endbr_seal", "__ibt_endbr_seal_end"


def sealed_functions(image: KernelImage, symbols: SymbolTable) -> set[int] | None:
    """Link-time addresses of the functions that lose their ENDBR at boot; None for a kernel without IBT."""
    start, end = symbols.unique(_START), symbols.unique(_END)
    if start is None or end is None:
        return None
    table = image.read_at(start.address, end.address - start.address)
    return {start.address + 4 * at + offset for at, (offset,) in enumerate(struct.iter_unpack("<i", table))}


def check_landing_pads(
    taken: Iterable[str], match: Match | None, image: KernelImage, symbols: SymbolTable, path: str
) -> None:
    """Raise :class:`Unpatchable` when a function named in ``taken`` cannot be called through a pointer.

    ``taken``: symbols whose address the object at ``path`` takes, and did not before.
    """
    sealed = sealed_functions(image, symbols)
    if sealed is None:
        return
    code = image.text_ranges
    faults = []
    for name in sorted(taken):
        found = locate(name, symbols, match)
        if isinstance(found, str) or not any(start <= found[0] < end for start, end in code):
            continue  # data, or a module's: those are not sealed by this table
        if found[0] in sealed or image.read_at(found[0], len(_ENDBR64)) != _ENDBR64:
            faults.append(name)
    if faults:
        raise Unpatchable(
            f"{path}: the patch takes the address of {', '.join(faults)}, which nothing in the kernel did before: "
            "this kernel removed the landing pad (ENDBR), and a call through the pointer would be fatal",
            "point to a small function of the patch that calls it directly",
        )
