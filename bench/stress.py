"""Patches of the core module are switched thousands of times under load: ``python -m bench stress``, half an hour."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.vm import kmods, stress
from tests.vm.kernels import stock_kernel

CYCLES = int(os.environ.get("KPATCH_STRESS_CYCLES", "10000"))
SECONDS_EACH = 5
"""At most, and on a busy host."""
PREEMPTION = ("preempt=voluntary", "preempt=full")
"""Kernel parameters of the machines: tasks in the kernel give up the CPU where they say so, or anywhere."""

MEANINGS = {
    "stress.cycles": "enables, replacements and disables under load without a fault, a leak or half a patch seen",
}
EXPLANATION = """## Stress

`python -m bench stress` takes from a quarter of an hour to an hour for its 10000, so `make bench` leaves it out;
`$KPATCH_STRESS_CYCLES`: how many. Two machines make half of them each, one of a kernel in which tasks give up the CPU
where they say so (`preempt=voluntary`, Debian's default), one of a kernel in which they do anywhere (`preempt=full`).
While kthreads on all CPUs, a timer's interrupt and NMIs call the patched functions and tasks fork and exit, three
patches of the same functions are enabled, replace each other, and are disabled; each such switch counts. The callers
check that within one chain of calls, asleep in the middle or not, they never see two versions. At the end the slab
caches, the modules' reference counts, vmalloc and ftrace's list of hooked functions must be what they were, and
the kernel's log without a warning (`tests/vm/stress.py`).
"""


def measure() -> dict[str, float]:
    """Build core, patches and callers for the stock kernel, and switch in two machines, each half as often."""
    kernel = stock_kernel()
    each = -(-CYCLES // len(PREEMPTION))
    with tempfile.TemporaryDirectory(prefix="kpatch-bench-") as name:
        modules = kmods.build(kernel, Path(name))

        def switch(append: str) -> int:
            return stress.run(kernel, modules, each, timeout=each * SECONDS_EACH + 300, append=append)

        with ThreadPoolExecutor() as pool:
            return {"stress.cycles": sum(pool.map(switch, PREEMPTION))}
