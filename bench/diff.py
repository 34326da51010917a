"""The differ's speed: in one process, as a process, and on the largest objects at hand."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import fixes
from kpatch.build.compile import compile_original
from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject
from kpatch.kernel.cache import cache_root
from kpatch.kernel.kbuild import Kbuild
from tests.vm.kernels import stock_kernel

REPEATS = 5
LARGE = ("fs/xfs/xfs_trace.o", "arch/x86/kvm/x86.o", "fs/ext4/super.o")
"""Among the largest objects of the stock kernel: tracepoints."""
MEANINGS = {
    "diff.per_pair_ms": "median over the stock objects of real fixes, each with itself, in one process",
    "diff.process_ms": "the object of median size through kpatch-diff as a process",
    "diff.largest_s": f"the largest of {', '.join(LARGE)}, in one process",
    "diff.largest_bytes": "its size",
}
EXPLANATION = ""


def _pairs() -> list[tuple[Path, Path]]:
    """The originals that `python -m bench fixes` compiled, each with itself: all of it is read and compared."""
    objects = (cache_root() / "build").glob("*/objects/*.o")
    return [(path, path) for path in sorted(objects, key=lambda path: path.stat().st_size)]


def _seconds(original: Path, patched: Path) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        diff_objects(ElfObject.read(original), ElfObject.read(patched))
        best = min(best, time.perf_counter() - start)
    return best


def _process_seconds(original: Path, patched: Path) -> float:
    argv = [sys.executable, "-m", "kpatch.cli.diff", str(original), str(patched), "-o", "/dev/null"]
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([*argv[:-1], "build/bench-diff.o"], capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _largest() -> Path:
    kbuild = Kbuild(fixes.prepared_tree(stock_kernel(fixes.RELEASE)))
    objects = [compile_original(command, kbuild.tree) for command in kbuild.commands(LARGE)]
    return max(objects, key=lambda path: path.stat().st_size)


def measure() -> dict[str, float]:
    """Time the objects that the measurement of real fixes compiled."""
    pairs = _pairs()
    if not pairs:
        print("  skipped: there are no objects: run `python -m bench fixes` first")
        return {}
    times = [_seconds(*pair) for pair in pairs]
    largest = _largest()
    middle = pairs[len(pairs) // 2]
    return {
        "diff.per_pair_ms": round(1000 * statistics.median(times), 2),
        "diff.process_ms": round(1000 * _process_seconds(*middle), 1),
        "diff.largest_s": round(_seconds(largest, largest), 3),
        "diff.largest_bytes": float(largest.stat().st_size),
    }
