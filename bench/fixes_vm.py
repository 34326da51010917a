"""Loads hot patch modules into a stock kernel, one after the other, and uses the kernel meanwhile.

Those for the core module, and those for the kernel's own livepatch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.vm import tiny
from tests.vm.kernels import StockKernel

__all__ = ["load"]

_PER_BOOT = 16
_SECONDS = 1800

_SCRIPT = """
transfer() {
  rm -f /tmp/got
  (timeout 5 nc -l -p 7777 > /tmp/got) &
  sleep 0.2; echo hello | timeout 5 nc -w 2 127.0.0.1 7777
  wait; [ "$(cat /tmp/got)" = hello ]
}
exercise() {
  for each in meminfo stat mounts interrupts net/tcp net/udp net/route self/maps self/smaps slabinfo vmstat zoneinfo \\
      net/snmp net/if_inet6 self/status cgroups; do
    cat /proc/$each > /dev/null 2>&1
  done
  find /sys/class /sys/bus -name uevent 2>/dev/null | head -40 | while read each; do cat $each > /dev/null 2>&1; done
  mkdir -p /tmp/m && mount -t tmpfs none /tmp/m || return 1
  dd if=/dev/zero of=/tmp/m/a bs=64k count=16 2>/dev/null && cp /tmp/m/a /tmp/m/b && cmp /tmp/m/a /tmp/m/b || return 2
  ln /tmp/m/b /tmp/m/c && mv /tmp/m/c /tmp/m/d && rm -r /tmp/m/a /tmp/m/b /tmp/m/d && umount /tmp/m || return 3
  ip link set lo up; ip addr add 127.0.0.2/8 dev lo 2>/dev/null; ip addr del 127.0.0.2/8 dev lo 2>/dev/null
  ip route > /dev/null; ip -6 route > /dev/null; ip rule > /dev/null
  ping -c 1 127.0.0.1 > /dev/null || return 4
  ping6 -c 1 ::1 > /dev/null || return 5
  transfer || transfer || transfer || return 6
  for each in 1 2 3 4 5 6 7 8; do (true | cat > /dev/null); done
}
retry() { for each in 1 2 3 4 5 6 7 8 9 10; do "$@" 2>/tmp/error && return 0; sleep 0.2; done; return 1; }
%(interface)s
start || exit 1
exercise || { echo "without a patch: $?"; exit 1; }
for file in /patches/*.ko; do
  name=$(basename $file .ko | tr - _)
  retry insmod $file && retry patched $name || { echo "$name: $(cat /tmp/error)"; why; continue; }
  exercise; status=$?
  state=$(state $name)
  retry disable $name || { echo "$name stays enabled"; why; continue; }
  rmmod $name && [ $status = 0 ] && [ "$state" = enabled ] && echo "GOOD $name" || echo "$name: $status $state"
done
exercise || { echo "after all patches: $?"; exit 1; }
finish
"""

_INTERFACES = {
    "core": """
start() { insmod /kpatch.ko; }
patched() { :; }
state() { cat /sys/kernel/kpatch/$1/state; }
disable() { echo 0 > /sys/kernel/kpatch/$1/enabled; }
why() { cat /sys/kernel/kpatch/last_refusal; }
finish() { rmmod kpatch; }
""",
    # A transition may take seconds; the patch is gone from sysfs when the one that disables it has ended.
    "livepatch": """
L=/sys/kernel/livepatch
start() { [ -d $L ]; }
settled() {
  for n in $(seq 300); do [ "$(cat $L/$1/transition 2>/dev/null)" = 1 ] || return 0; sleep 0.1; done
  return 1
}
patched() { settled $1; }
state() { [ "$(cat $L/$1/enabled) $(cat $L/$1/vmlinux/patched)" = "1 1" ] && echo enabled; }
disable() { echo 0 > $L/$1/enabled && settled $1; }
why() { dmesg | tail -n 5; }
finish() { [ -z "$(ls $L)" ]; }
""",
}


def load(kernel: StockKernel, core: Path, modules: Sequence[Path], interface: str = "core") -> int:
    """How many of ``modules`` went in, worked and went out again; a boot with an unclean log counts none."""
    good = 0
    script = _SCRIPT.replace("%(interface)s", _INTERFACES[interface])
    for start in range(0, len(modules), _PER_BOOT):
        part = modules[start : start + _PER_BOOT]
        files = {"kpatch.ko": core, **{f"patches/{module.name}": module for module in part}}
        result = tiny.run(kernel.vmlinuz, script, files, timeout=_SECONDS)
        names = [line for line in result.out.splitlines() if line.startswith("GOOD ")]
        if len(names) < len(part) or result.splats or not result.passed:
            print(result.out, *result.splats, sep="\n", file=sys.stderr)
        if result.passed and not result.splats:
            good += len(names)
    return good
