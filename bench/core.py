"""The core module beside the kernel's livepatch, on the same functions in one boot of the stock kernel."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from tests.vm import kmods, tiny
from tests.vm.kernels import StockKernel, stock_kernel

THREADS = (100, 1000, 10000)

MEANINGS = {
    "call.plain_ns": "one call of get_max_files(), which returns a number, nanoseconds (median of 9 rounds)",
    "call.livepatch_ns": "the same, replaced by the kernel's livepatch",
    "call.direct_ns": "the same, replaced by the core module through a direct call",
    "call.ops_ns": "the same, replaced by the core module through an ftrace handler",
    "call.added_share": "what the direct call adds, as a share of what livepatch adds",
    **{
        f"pause.threads_{number}_us": f"time inside stop_machine() with {number} sleeping threads (median of 15)"
        for number in THREADS
    },
    "pause.naive_10000_us": "the same with 10000 threads, all stacks walked while the machine is stopped",
    "apply.core_ms": "from insmod to patched, core module, idle machine (median of 7)",
    "apply.livepatch_ms": "from insmod to the end of the transition, livepatch, idle machine (median of 7)",
    "apply.core_load_ms": "apply.core_ms with four tasks that compute and one that forks all the time",
    "apply.livepatch_load_ms": "apply.livepatch_ms with the same load",
}
EXPLANATION = """## The core module

`python -m bench core` boots Debian's stock kernel once and measures the core module and the kernel's livepatch in turn
on the same function. Under emulation the figures of one call mean nothing by themselves, but their relation does:
the goal is that a direct call adds at most a fifth of what livepatch adds (`call.added_share`).

`pause.*`: the stacks are looked at twice, first with the machine running, then, while it is stopped, only those
of tasks that ran in between. So the pause grows with what ran, not with the number of threads;
`pause.naive_10000_us` is the same switch in the same boot with the second look at all of them
(`/sys/module/kpatch/parameters/all_tasks`).

Both pauses grow when the host has other work to do than this machine; compare them with each other.

`apply.*`: the core module waits for no grace period before the machine is stopped, nor behind that; livepatch waits
until every task was seen outside of the functions, looking once a second.
"""

_CALLS = """
insmod measure.ko || exit 1
call() { echo "call.$1 $(cat /sys/module/measure/parameters/call_ps)"; }
settled() { while [ "$(cat $L/$1/transition 2>/dev/null)" = 1 ]; do usleep 10000; done; }
off() { until echo 0 2>/dev/null > $S/$1/enabled; do usleep 1000; done; rmmod $1 || exit 1; }
call warm
for round in 1 2 3 4 5 6 7 8 9; do
    call plain
    insmod neighbour.ko || exit 1; settled neighbour; call livepatch
    echo 0 > $L/neighbour/enabled; settled neighbour; rmmod neighbour || exit 1
    for name in files files_ops; do
        insmod kpatch-$(echo $name | tr _ -).ko || exit 1; call $(cat $S/kpatch_$name/vmlinux/get_max_files,0/method)
        off kpatch_$name
    done
done
rmmod measure
"""

_APPLY = """
apply() {
    for round in 1 2 3 4 5 6 7; do
        echo "apply.core$1 $(./guest load kpatch-files.ko)"; off kpatch_files
        echo "apply.livepatch$1 $(./guest load neighbour.ko $L/neighbour/transition)"
        echo 0 > $L/neighbour/enabled; settled neighbour; rmmod neighbour || exit 1
    done
}
apply ""
for n in 1 2 3 4; do (while :; do :; done) & load="$load $!"; done
(while :; do (true); done) & load="$load $!"
apply _load
kill $load
"""

_PAUSE = """
echo 40000 > /proc/sys/kernel/threads-max; echo 40000 > /proc/sys/kernel/pid_max
echo 100000 > /proc/sys/vm/max_map_count
insmod kpatch-one.ko || exit 1
pause() {
    for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        echo $((round % 2)) > $S/kpatch_one/enabled || exit 1
        echo "pause.$1 $(cat $S/kpatch_one/pause_us)"
    done
}
more() {
    ./guest threads $1 > /tmp/started & users="$users $!"
    until grep -q started /tmp/started; do sleep 1; done; rm /tmp/started; sleep 2
}
pause warm
more 100; pause threads_100
more 900; pause threads_1000
more 9000; pause threads_10000
echo 1 > /sys/module/kpatch/parameters/all_tasks; pause naive_10000
kill $users; sleep 2
off kpatch_one
"""

_SCRIPT = f"""
cd /m
S=/sys/kernel/kpatch L=/sys/kernel/livepatch
insmod kpatch.ko || exit 1
{_CALLS}
{_APPLY}
{_PAUSE}
rmmod kpatch
"""


def _guest_tool(place: Path) -> Path:
    source = Path(__file__).with_name("guest.c")
    subprocess.run(["gcc", "-O2", "-static", "-pthread", "-o", place / "guest", source], check=True)
    return place / "guest"


def _side_by_side(kernel: StockKernel, files: Mapping[str, Path]) -> dict[str, float]:
    """Run everything but the stress in one boot; medians by key."""
    result = tiny.run(kernel.vmlinuz, _SCRIPT, files, memory="2G", at_once=True, timeout=1500)
    seen: dict[str, list[int]] = defaultdict(list)
    for key, value in re.findall(r"^([a-z]+\.[a-z0-9_]+) (\d+)$", result.check(), re.MULTILINE):
        seen[key].append(int(value))
    return {key: statistics.median(values) for key, values in seen.items() if not key.endswith("warm")}


def measure() -> dict[str, float]:
    """Build core module and patches for the stock kernel; measure all in one boot."""
    kernel = stock_kernel()
    with tempfile.TemporaryDirectory(prefix="kpatch-bench-") as name:
        place = Path(name)
        modules = kmods.build(kernel, place)
        files = {f"m/{stem}.ko": path for stem, path in modules.items()}
        return _in_units(_side_by_side(kernel, {**files, "m/guest": _guest_tool(place)}))


def _in_units(medians: Mapping[str, float]) -> dict[str, float]:
    """Picoseconds and microseconds become the units that the keys' names tell."""
    values = {f"{key}_ns": round(value / 1000, 2) for key, value in medians.items() if key.startswith("call.")}
    values.update({f"{key}_us": value for key, value in medians.items() if key.startswith("pause.")})
    values.update({f"{key}_ms": round(value / 1000, 1) for key, value in medians.items() if key.startswith("apply.")})
    added = {name: values[f"call.{name}_ns"] - values["call.plain_ns"] for name in ("direct", "livepatch")}
    values["call.added_share"] = round(added["direct"] / added["livepatch"], 2)
    return values
