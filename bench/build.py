"""How long kpatch-build takes: the first build for a kernel, the second, and the bare work in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kpatch.build.compile import place_outputs
from kpatch.build.glue import NAME_PLACE
from kpatch.kernel.buildroot import HOST
from kpatch.kernel.kbuild import ObjectCommand
from tests.vm.kernels import StockKernel, stock_kernel

TOP = Path(__file__).resolve().parents[1]
DIFF = TOP / "examples" / "meminfo-string.patch"
_REPEATS = 5

MEANINGS = {
    "build.cold_s": "first build for a kernel, source archive not unpacked yet, seconds of the whole process",
    "build.warm_s": "second build for the same kernel, seconds of the whole process (median of 5)",
    "build.floor_s": "its two compilations and one module link, one after the other, seconds (median of 5)",
    "build.floor_parallel_s": "the same with both compilations at once, seconds (median of 5)",
    "build.warm_over_floor": "build.warm_s / build.floor_s",
}
EXPLANATION = """## Building a patch

The one-line patch `examples/meminfo-string.patch` for a stock kernel. The floor is the bare work: the recorded
compiler and objtool commands for the original and for the patched object, and the linker's run that makes the module,
started one by one without anything around them. `build.warm_s` can come below it because the original object is kept
in the cache and the patched one is compiled while the kernel's symbols are read.
"""


def measure() -> dict[str, float]:
    """Build the example patch with an empty and with a filled cache, then only its commands."""
    kernel = stock_kernel()
    with tempfile.TemporaryDirectory(prefix="kpatch-bench-") as name:
        work = Path(name)
        cold = _build(kernel, work)
        # Side by side, so that what else the machine does weighs on both.
        rows = [(_build(kernel, work), *_floor(kernel, work)) for _ in range(_REPEATS)]
    warm = _median([row[0] for row in rows])
    floor, parallel = _median([row[1] for row in rows]), _median([row[2] for row in rows])
    return {
        "build.cold_s": round(cold, 2),
        "build.warm_s": round(warm, 2),
        "build.floor_s": round(floor, 2),
        "build.floor_parallel_s": round(parallel, 2),
        "build.warm_over_floor": round(warm / floor, 2),
    }


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _build(kernel: StockKernel, work: Path) -> float:
    """Seconds of one run of kpatch-build whose cache lies in ``work``."""
    where = ["--kernel", kernel.release, "--kernel-root", str(kernel.root), "-o", str(work), "-q"]
    argv = [sys.executable, "-m", "kpatch.cli.build", *where, str(DIFF)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}
    start = time.monotonic()
    subprocess.run(argv, cwd=TOP, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def _floor(kernel: StockKernel, work: Path) -> tuple[float, float]:
    """Seconds of the commands alone: one after the other, and with both compilations at once."""
    (home,) = (work / "cache" / "kpatch" / "build").iterdir()
    tree = home / "source"
    record = json.loads((home / "commands" / "fs,proc,meminfo.o.json").read_text())
    command = ObjectCommand("fs/proc/meminfo.o", tuple(map(tuple, record["commands"])), frozenset(), None, HOST)
    compilations = [place_outputs(command, work / f"{which}.o") for which in ("original", "patched")]
    link = _link_command(home, work)
    start = time.monotonic()
    for commands in compilations:
        for argv in commands:
            subprocess.run(argv, cwd=tree, check=True)
    compiled = time.monotonic()
    subprocess.run(link, cwd=tree, check=True)
    linked = time.monotonic()
    running = [subprocess.Popen(commands[0], cwd=tree) for commands in compilations]
    assert [each.wait() for each in running] == [0, 0]
    for commands in compilations:
        subprocess.run(commands[1], cwd=tree, check=True)
    return linked - start, time.monotonic() - linked + (linked - compiled)


def _link_command(home: Path, work: Path) -> list[str]:
    """The linker's run for the cached template module, with its output in ``work``."""
    (place,) = home.glob("glue/*/commands.json")
    words = json.loads(place.read_text())["link"]
    directory = str(place.parent / "template")
    out = words.index("-o") + 1
    argv = [word.replace("@DIR@", directory) for word in words]
    argv[out] = str(work / f"{NAME_PLACE[:15]}.ko")
    return argv
