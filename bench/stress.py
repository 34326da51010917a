"""Patches of the core module are switched thousands of times under load: ``python -m bench stress``, takes hours."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.vm import kmods, stress
from tests.vm.kernels import stock_kernel

CYCLES = int(os.environ.get("KPATCH_STRESS_CYCLES", "10000"))
SECONDS_EACH = 5
"""At most, and on a busy host."""

MEANINGS = {
    "stress.cycles": "enables, replacements and disables under load without a fault, a leak or half a patch seen",
}
EXPLANATION = """## Stress

`python -m bench stress` takes hours for its 10000, so `make bench` leaves it out; `$KPATCH_STRESS_CYCLES`: how many.
While kthreads on all CPUs and a timer's interrupt call the patched functions and tasks fork and exit, three patches of
the same functions are enabled, replace each other, and are disabled; each such switch counts. The callers check
that within one chain of calls, asleep in the middle or not, they never see two versions. At the end the slab caches,
the modules' reference counts, vmalloc and ftrace's list of hooked functions must be what they were
(`tests/vm/stress.py`).
"""


def measure() -> dict[str, float]:
    """Build core, patches and callers for the stock kernel, and switch."""
    kernel = stock_kernel()
    with tempfile.TemporaryDirectory(prefix="kpatch-bench-") as name:
        modules = kmods.build(kernel, Path(name))
        return {"stress.cycles": stress.run(kernel, modules, CYCLES, timeout=CYCLES * SECONDS_EACH + 300)}
