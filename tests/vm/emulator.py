"""QEMU as every guest is given it: TCG, because a stock kernel is not known to boot under this host's KVM."""

from __future__ import annotations

import functools
import re
import subprocess

__all__ = ["machine"]

QEMU = "qemu-system-x86_64"

KEEPS_NO_BREAKPOINT = (8, 1)
"""From this QEMU on the CPUs of a guest are threads that run at the same time.

Before it a CPU that translates a breakpoint while another CPU replaces it keeps the breakpoint for ever ("accel/tcg:
Always lock pages before translation", 8.1). A kernel that changes its own code - ftrace, tracepoints, jump labels -
then hangs sooner or later, without a word if interrupts are off: of two guests that enabled and disabled the event
sched_switch all the time one hung before the hundredth time. With one thread the CPUs take turns, and none did.
"""


@functools.cache
def threads() -> str:
    """How this QEMU may run the CPUs of a guest: ``single`` or ``multi``."""
    told = subprocess.run([QEMU, "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", told)
    assert version, told
    return "multi" if (int(version[1]), int(version[2])) >= KEEPS_NO_BREAKPOINT else "single"


def machine(cpus: int = 2, memory: str = "1G", at_once: bool = False) -> list[str]:
    """The command of a machine without devices; ``at_once``: CPUs run at the same time though it may hang (bench/)."""
    accelerator = f"tcg,thread={'multi' if at_once else threads()}"
    return [
        *(QEMU, "-accel", accelerator, "-cpu", "max", "-smp", str(cpus), "-m", memory),
        *("-display", "none", "-no-reboot", "-nodefaults"),
    ]
