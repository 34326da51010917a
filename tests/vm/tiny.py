"""A virtual machine that boots a stock kernel into a shell script, in a few seconds.

The machine has no disk: its root is an initramfs with a static busybox, the given files and the script. What the
script writes goes to the second serial port, the kernel's log to the first, so neither disturbs the other. A run
passes only if the script ended with 0 *and* said so in a line that nothing else writes *and* the kernel's log
is clean: a machine that hangs, crashes or powers off early fails.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.vm.emulator import machine
from tests.vm.kernels import StockKernel
from tests.vm.patience import KERNEL_ARGUMENTS, patient

BUSYBOX = Path(shutil.which("busybox") or "/bin/busybox")

PASSED = "@@ script ended with 0 @@"
"""Written to the second serial port by init when the script returned 0."""

INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
stty -F /dev/ttyS1 raw 2>/dev/null
cd /
sh /script.sh >/dev/ttyS1 2>&1 </dev/null
status=$?
# A debug kernel knows memory that nobody points to: not before it is 5 s old, nor when it changes between two looks.
leaks=/sys/kernel/debug/kmemleak
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
if [ -e $leaks ]; then
    sleep 6; echo scan >$leaks; echo scan >$leaks; cat $leaks >/dev/ttyS0
fi
[ $status = 0 ] && echo "{PASSED}" >/dev/ttyS1
echo "@@ exit $status @@" >/dev/ttyS1
sync
poweroff -f
"""

SPLAT = re.compile(
    r"BUG: |WARNING: |Oops: |general protection|Kernel panic|Call Trace:|stack segment|double fault|rcu: .*stall|"
    r"soft lockup|hard LOCKUP|blocked for more than|UBSAN: |KASAN: |refcount_t: |possible (?:recursive|circular)|"
    r"inconsistent lock state|sleeping function called|scheduling while atomic|cannot create duplicate|"
    r"kobject_add_internal failed|ftrace bug|unwind stack type|segfault at|Modules linked in:|suspected memory leak"
)
"""What must not stand in the log of a healthy kernel."""


@dataclass(frozen=True)
class Result:
    """What came out of a run.

    ``out``: all that the script wrote. ``log``: the kernel's log. ``passed``: the script ended with 0.
    ``splats``: the lines of the log that match :data:`SPLAT`.
    """

    out: str
    log: str
    passed: bool
    splats: tuple[str, ...]

    def check(self) -> str:
        """Return ``out``; raise AssertionError with everything worth reading if the run was not clean."""
        if self.passed and not self.splats:
            return self.out
        lines = self.log.splitlines()
        first = next((number for number, line in enumerate(lines) if SPLAT.search(line)), len(lines))
        told = "\n".join([*lines[first : max(first, len(lines) - 80)][:60], "...", *lines[-80:]])
        raise AssertionError(
            f"script passed: {self.passed}, splats: {list(self.splats)}\n--- script\n{self.out}\n--- kernel\n{told}"
        )


def _newc_entry(name: str, mode: int, data: bytes, inode: int) -> bytes:
    """One file of a cpio archive in the "newc" format (kernel: Documentation/driver-api/early-userspace)."""
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(files: Mapping[str, bytes | Path]) -> bytes:
    """An initramfs with ``files``: path in the guest -> content, or a file of this machine with its mode."""
    entries: dict[str, tuple[int, bytes]] = {}
    for name, source in files.items():
        path = name.strip("/")
        for parent in reversed(Path(path).parents):
            if str(parent) != ".":
                entries.setdefault(str(parent), (0o040755, b""))
        if isinstance(source, Path):
            entries[path] = (0o100000 | (source.stat().st_mode & 0o777), source.read_bytes())
        else:
            entries[path] = (0o100755, source)
    parts = [_newc_entry(name, mode, data, inode) for inode, (name, (mode, data)) in enumerate(entries.items(), 1)]
    return b"".join(parts) + _newc_entry("TRAILER!!!", 0, b"", 0)


def qemu_arguments(vmlinuz: Path, initrd: Path, work: Path, append: str) -> list[str]:
    """What the machine boots, and where its two serial ports go.

    no_timer_check: on a busy host the emulated timer may be late when the kernel tests its interrupt.
    """
    options = f"console=ttyS0 panic=-1 oops=panic no_timer_check quiet loglevel=7 {KERNEL_ARGUMENTS} {append}".strip()
    return [
        *("-monitor", "none"),
        *("-serial", f"file:{work / 'console'}", "-serial", f"file:{work / 'out'}"),
        *("-kernel", str(vmlinuz), "-initrd", str(initrd), "-append", options),
    ]


def run(
    vmlinuz: Path,
    script: str,
    files: Mapping[str, bytes | Path] | None = None,
    *,
    smp: int = 2,
    memory: str = "1G",
    append: str = "",
    at_once: bool = False,
    timeout: float = 300,
    keep: Path | None = None,
) -> Result:
    """Boot ``vmlinuz``, run ``script`` (POSIX shell, busybox) as root of the guest, power off.

    ``append``: more kernel parameters. ``at_once``: see :func:`tests.vm.emulator.machine`.
    ``timeout``: seconds until the machine is killed, times :data:`PATIENCE`. ``keep``: a directory that gets the logs.
    """
    with tempfile.TemporaryDirectory(prefix="kpatch-tiny-") as name:
        work = Path(name)
        base: dict[str, bytes | Path] = {"bin/busybox": BUSYBOX, "init": INIT.encode(), "script.sh": script.encode()}
        (work / "initrd").write_bytes(initramfs({**base, **(files or {})}))
        command = machine(smp, memory, at_once) + qemu_arguments(vmlinuz, work / "initrd", work, append)
        over, limit = "", patient(timeout)
        try:
            subprocess.run(command, timeout=limit, check=False, stdin=subprocess.DEVNULL, capture_output=True)
        except subprocess.TimeoutExpired:
            over = f"\n(killed after {limit:.0f} s)"
        out = _read(work / "out") + over
        log = _read(work / "console")
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / "out").write_text(out)
            (keep / "console").write_text(log)
    splats = tuple(line for line in log.splitlines() if SPLAT.search(line))
    return Result(out, log, PASSED in out, splats)


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace").replace("\r", "") if path.exists() else ""


def symbols(kernel: StockKernel, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Address (without KASLR) and size as kallsyms has them, of functions of vmlinux; asks a booted kernel."""
    pattern = "|".join(re.escape(name) for name in names)
    script = f"grep -v '\\[' /proc/kallsyms | sort | grep -A1 -E ' ({pattern})$'"
    out = run(kernel.vmlinuz, script, append="nokaslr").check()
    found: dict[str, tuple[int, int]] = {}
    rows = [line.split() for line in out.splitlines() if re.match(r"[0-9a-f]{16} ", line)]
    for (address, _, name), (following, _, _) in zip(rows, rows[1:]):
        if name in names and name not in found:
            found[name] = (int(address, 16), int(following, 16) - int(address, 16))
    missing = set(names) - set(found)
    assert not missing, f"{kernel.release} has no {sorted(missing)}"
    return found
