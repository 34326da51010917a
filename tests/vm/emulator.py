"""QEMU as every guest is given it: TCG, because a stock kernel is not known to boot under this host's KVM."""

from __future__ import annotations

__all__ = ["machine"]


def machine(cpus: int = 2, memory: str = "1G", at_once: bool = False) -> list[str]:
    """The command of a machine whose ``cpus`` take turns, or run ``at_once`` though it may hang (bench/); no devices.

    A CPU of QEMU that translates a breakpoint while another one takes it away may keep it for ever. A kernel that
    changes its own code - ftrace, tracepoints, jump labels - then hangs sooner or later, without a word if interrupts
    are off. Seen with 7.2, where of two guests that enabled and disabled the event sched_switch all the time one hung
    before the hundredth time, and with 10.0 after some thousand switches under load: a CPU took the breakpoint at a
    function's entry again and again, where the kernel read the call. With one thread no guest did.
    """
    return [
        *("qemu-system-x86_64", "-accel", f"tcg,thread={'multi' if at_once else 'single'}", "-cpu", "max"),
        *("-smp", str(cpus), "-m", memory, "-display", "none", "-no-reboot", "-nodefaults"),
    ]
