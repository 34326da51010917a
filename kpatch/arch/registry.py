"""Which machines we know."""

from __future__ import annotations

from kpatch.arch.machine import Machine
from kpatch.arch.x86_64 import X86_64

__all__ = ["machine_of"]

_MACHINES = {machine.e_machine: machine for machine in (X86_64,)}


def machine_of(e_machine: int) -> Machine | None:
    """The facts of the machine with this ELF number, or None."""
    return _MACHINES.get(e_machine)
