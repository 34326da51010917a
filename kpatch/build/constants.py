"""Where the kernel keeps constants that it writes into its own code when it starts (asm/runtime-const.h).

The differ has new code read the variable that such a constant was made from.  The compiler leaves a
static variable out that is read for nothing else (``__filp_cache``); then the running kernel's code
holds the only copy: a field of an instruction in the original function, which stays where it is.
"""

from __future__ import annotations

from kpatch.arch.registry import machine_of
from kpatch.build.match import Match
from kpatch.diff.model import View
from kpatch.elf.object import ElfObject
from kpatch.kernel.symbols import SymbolTable

__all__ = ["add_constants"]

_POINTERS = "runtime_ptr_"


def add_constants(original: ElfObject, match: Match, symbols: SymbolTable) -> None:
    """Tell ``match`` the address of each constant whose variable ``symbols`` do not know."""
    machine = machine_of(original.machine)
    sections = [section for section in original.sections if section.name.startswith(_POINTERS)]
    if machine is None or not sections:
        return
    view = View(original, machine)
    for section in sections:
        name = section.name[len(_POINTERS) :]
        for reloc in section.relocs:
            ref = view.ref(section, reloc)
            function = match.functions.get(getattr(ref.target, "name", ""))
            # Only in exactly this code is the field at the same offset.
            if function is not None and function.exact and not symbols.named(name):
                match.addresses.setdefault(name, function.address + ref.offset)
