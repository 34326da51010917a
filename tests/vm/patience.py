"""How long a guest may take: ``$KPATCH_TEST_PATIENCE`` multiplies all time-outs on a busy host."""

from __future__ import annotations

import os

__all__ = ["KERNEL_ARGUMENTS", "PATIENCE", "patient"]

KERNEL_ARGUMENTS = "rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60"
"""For the kernel: a busy host may not let a virtual CPU run for 20 s. What is really stuck stays so, and is told."""

PATIENCE = float(os.environ.get("KPATCH_TEST_PATIENCE") or 1)
"""How many times longer than usual a machine may take: for debug kernels and busy hosts."""


def patient(seconds: float) -> float:
    """``seconds`` of a host that has nothing else to do, as seconds of this one."""
    return seconds * PATIENCE
