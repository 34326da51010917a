"""Patches are enabled, replaced and disabled again and again while everybody calls the patched functions.

Three modules call them: caller.ko with preemption off and in a timer's interrupt, nmicaller.ko in NMIs on all CPUs,
chaincaller.ko in chains in which a task sleeps or is preempted. They count what no caller may ever see: parts of two
versions, or an answer that is none's.

The callers call as fast as they can for a few milliseconds, then sleep for two jiffies: the virtual machine has one
thread for all its CPUs, and whoever never sleeps keeps the others waiting, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.vm import tiny
from tests.vm.kernels import StockKernel

__all__ = ["run"]

SWITCHES = 5
"""Switches in one round of the script: two replacements, then off, on, off."""

_WARM = 10
"""Rounds before the first account of memory, at most as many as after it: caches fill, per-CPU lists grow."""

_LONG = 1000
"""Rounds after which objects that are left behind, one in each, stand out."""

_SCRIPT = r"""
cd /m
S=/sys/kernel/kpatch T=/sys/kernel/tracing
fail() { echo "FAILED: $*"; cat $S/last_refusal; exit 1; }
# Refused is an attempt only when a function was in use.
in_use() { grep -q '^errno: 16$' $S/last_refusal || fail "$1 $2"; busy=$((busy + 1)); }
switch() { until echo $1 2>/dev/null > $S/kpatch_$2/enabled; do in_use $1 $2; done; }
load() { until insmod kpatch-$1.ko 2>/dev/null; do in_use load $1; done; }
state() { s=$(cat $S/kpatch_$1/state); [ $s = $2 ] || fail "$1 is $s, not $2"; }
round() {
    switch 1 chain_two; switch 1 chain_three; switch 0 chain_three
    [ $((n % 10)) != 9 ] || no_hooks
    switch 1 chain_one; switch 0 chain_one
}
# Hooks that nobody needs go when there is time for it; a patch that comes before that takes them over.
hooks() { grep -cE '^(si_meminfo|nr_free_buffer_pages|get_max_files) ' $T/enabled_functions; }
no_hooks() { for try in $(seq 600); do [ $(hooks) = 0 ] && return; usleep 100000; done; fail "$(hooks) hooks stay"; }
# The machine is quiet, no patch is in force: what is there must always be the same.
account() {
    stop; no_hooks; sleep 3
    for cache in /sys/kernel/slab/*; do echo 1 > $cache/shrink; done
    echo "$1 modules $(awk '{ printf "%s:%s ", $1, $3 }' /proc/modules)"
    echo "$1 vmalloc $(wc -l < /proc/vmallocinfo)"
    echo "$1 objects $(awk 'NR > 2 { sum += $2 } END { print sum }' /proc/slabinfo)"
}
start() {
    insmod caller.ko hammer=4 irq=1 breathe=2 || fail caller
    insmod chaincaller.ko breathe=2 || fail chaincaller
    insmod nmicaller.ko || fail nmicaller
    # RCU and the one who switches go first.
    renice -n 19 $(ps | awk '/\[(hammer|chain)/ { print $1 }')
    while :; do (true | true) & wait; usleep 50000; done & forking=$!
}
seen() { cat /sys/module/$1/parameters/$2; }
stop() {
    kill $forking; wait $forking 2>/dev/null
    echo "calls $(seen caller calls) chains $(seen chaincaller chains) NMIs $(seen nmicaller marked) busy $busy"
    [ "$(seen caller mixed) $(seen chaincaller broken)" = "0 0" ] || fail "half a patch was seen"
    [ $(seen nmicaller wrong) = 0 ] || fail "neither version's answer"
    rmmod nmicaller; rmmod chaincaller; rmmod caller
}
busy=0
insmod kpatch.ko || exit 1
for name in chain-one chain-two chain-three; do load $name; done
switch 0 chain_three; state chain_one replaced; state chain_two replaced
start
n=0; while [ $n -lt $WARM ]; do round; n=$((n + 1)); done
account before; start
n=0; while [ $n -lt $ROUNDS ]; do
    round; n=$((n + 1))
    [ $((n % 100)) = 0 ] && echo "round $n of $ROUNDS at $(cut -d' ' -f1 /proc/uptime) s"
done
account after
for name in one two three; do rmmod kpatch_chain_$name || fail "rmmod $name"; done
rmmod kpatch || fail "the core stays"
"""


def run(
    kernel: StockKernel, modules: Mapping[str, Path], cycles: int, *, timeout: float, append: str = "", smp: int = 2
) -> int:
    """Make at least ``cycles`` switches; AssertionError when anything was wrong. Returns how many were made."""
    rounds = -(-cycles // SWITCHES)
    script = f"WARM={min(_WARM, rounds)} ROUNDS={rounds}\n{_SCRIPT}"
    files = {f"m/{name}.ko": path for name, path in modules.items()}
    # The console is slow and need not have the two lines that each switch is worth.
    options = f"loglevel=5 {append}"
    out = tiny.run(kernel.vmlinuz, script, files, timeout=timeout, append=options, smp=smp).check()
    _check_account(out, rounds)
    return rounds * SWITCHES


def _check_account(out: str, rounds: int) -> None:
    before, after = (dict(re.findall(rf"^{when} (\w+) (.*)$", out, re.MULTILINE)) for when in ("before", "after"))
    assert set(before) == {"modules", "vmalloc", "objects"}, out
    assert after["modules"] == before["modules"], out
    grown = {key: int(after[key]) - int(before[key]) for key in ("vmalloc", "objects")}
    assert grown["vmalloc"] < 16, f"{grown}\n{out}"
    # Caches of the kernel breathe by some hundred objects.
    assert rounds < _LONG or grown["objects"] < rounds, f"{grown}\n{out}"
