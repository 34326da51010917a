"""Stock kernels of other releases, patched by modules that were compiled in chroots of those releases.

``make vm-kernels`` runs this, and on all but the oldest of them the tests of everything that meets the kernel.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kpatch.host.modinfo import read_modinfo
from tests.vm import tiny
from tests.vm.buildroots import OLDEST, SUITES, buildroot
from tests.vm.kernels import StockKernel
from tests.vm.test_build import SCRIPT, TOP, kpatch_build

pytestmark = [pytest.mark.vm, pytest.mark.slow]

PATCHES = TOP / "tests/vm/patches"

SUBSYSTEMS = """
insmod /kpatch.ko || exit 1
# A task may be in one of the functions.
until insmod /subsystems.ko 2>/dev/null; do grep '^errno: 16' /sys/kernel/kpatch/last_refusal || exit 1; done
ifconfig lo up 127.0.0.1
mkdir /tmp/one
echo hello | nc -l -p 80 127.0.0.1 & sleep 1; nc 127.0.0.1 80 </dev/null; wait
echo 1 > /sys/kernel/tracing/events/sched/sched_wakeup_new/enable
(true); grep -q sched_wakeup_new: /sys/kernel/tracing/trace || exit 1
echo 0 > /sys/kernel/tracing/events/sched/sched_wakeup_new/enable
dmesg | grep -o 'patched: [a-z_]*' | sort -u
until echo 0 2>/dev/null > /sys/kernel/kpatch/kpatch_subsystems/enabled
do grep '^errno: 16' /sys/kernel/kpatch/last_refusal || exit 1; done
rmmod kpatch_subsystems || exit 1
mkdir /tmp/two
dmesg | grep 'vfs_mkdir two'
insmod /livepatch.ko || exit 1
until [ $(cat /sys/kernel/livepatch/kpatch_meminfo/transition) = 0 ]; do usleep 100000; done
grep -o VMALLOCCHUNK /proc/meminfo
echo 0 > /sys/kernel/livepatch/kpatch_meminfo/enabled || exit 1
until rmmod kpatch_meminfo 2>/dev/null; do usleep 100000; done
rmmod kpatch
"""

CONSTANTS = """
insmod /kpatch.ko || exit 1
mkdir /tmp/place; touch /tmp/place/secret /tmp/place/plain
echo first $(ls /tmp/place)
for patch in /patch-*.ko; do
    # A task may be in one of the functions.
    until insmod $patch 2>/dev/null; do grep '^errno: 16' /sys/kernel/kpatch/last_refusal || exit 1; done
done
echo then $(ls /tmp/place)
for n in 1 2 3 4 5 6 7 8 9; do (set -C; echo $n > /tmp/new$n) || exit 1; done
cat /tmp/new?
dmesg | grep -q 'patched: alloc_empty_file' && echo opened
true
"""

KINDS = """
again() { for n in $(seq 300); do "$@" 2>/dev/null && return; usleep 200000; done; echo "FAILED: $*"; exit 1; }
settled() { [ "$(cat $1/transition 2>/dev/null)" != 1 ]; }
off() { echo 0 > $1/enabled && settled $1; }
talk() { echo hello | nc -l -p $1 127.0.0.1 & sleep 1; nc 127.0.0.1 $1 </dev/null; wait; }
ifconfig lo up 127.0.0.1
insmod /kpatch.ko || exit 1
for interface in kpatch livepatch; do
    patch=/sys/kernel/$interface/kpatch_kinds
    echo "== $interface"
    dmesg -c >/dev/null
    again insmod /$interface-kinds.ko
    again settled $patch
    echo 0 > /sys/class/net/lo/queues/rx-0/rps_cpus; talk 80
    dmesg | grep -q 'key on' && echo "the key is off"
    echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus; talk 81
    mkdir /tmp/gone && rmdir /tmp/gone
    grep Counted /proc/meminfo
    dmesg | grep -o 'patched: .*'
    again off $patch
    again rmmod kpatch_kinds
    grep Counted /proc/meminfo && exit 1
done
rmmod kpatch
"""


@pytest.fixture(scope="module", params=SUITES)
def other(request: pytest.FixtureRequest) -> StockKernel:
    """Each kernel that is not this machine's; skipped when the mirror no longer has its suite."""
    try:
        return buildroot(request.param)
    except AssertionError as error:
        if "does not have a Release file" in str(error):
            pytest.skip(f"the mirror has no {request.param} any more")
        raise


@pytest.fixture(scope="module")
def core(other: StockKernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kpatch.ko for that kernel; skipped while the suite has a newer compiler than its kernel was built by."""
    try:
        return kpatch_build(other, tmp_path_factory.mktemp("core"), "--core")
    except AssertionError as error:
        if "the kernel was built by" in str(error):
            pytest.skip(str(error))
        raise


def _relocations_of(module: Path, section: str) -> str:
    argv: list[str | Path] = ["objdump", "-r", "-j", section, module]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("other", [*SUITES, pytest.param(OLDEST, marks=pytest.mark.kernels)], indirect=True)
def test_a_patch_of_one_line(other: StockKernel, core: Path, tmp_path: Path) -> None:
    module = kpatch_build(other, tmp_path, TOP / "examples/meminfo-string.patch")
    assert re.search(r"PC32 +meminfo_proc_show", _relocations_of(module, ".orc_unwind_ip")), "how to unwind it"
    out = tiny.run(other.vmlinuz, SCRIPT, {"kpatch.ko": core, "patch.ko": module}).check()
    shown = [line.split(":")[0] for line in out.splitlines() if line.lower().startswith("vmallocchunk")]
    assert shown == ["VmallocChunk", "VMALLOCCHUNK", "VmallocChunk"]


@pytest.mark.kernels
def test_a_patch_of_four_subsystems_and_a_livepatch(other: StockKernel, core: Path, tmp_path: Path) -> None:
    """Warnings, messages, a tracepoint that is switched on, static keys, per-CPU data, a switch over states."""
    module = kpatch_build(other, tmp_path, PATCHES / "subsystems.patch")
    options: list[str | Path] = ["--interface", "livepatch", "-n", "meminfo", TOP / "examples/meminfo-string.patch"]
    livepatch = kpatch_build(other, tmp_path, *options)
    files = {"kpatch.ko": core, "subsystems.ko": module, "livepatch.ko": livepatch}
    lines = tiny.run(other.vmlinuz, SUBSYSTEMS, files).check().splitlines()
    functions = ("do_mmap", "tcp_rcv_state_process", "vfs_mkdir", "wake_up_new_task")
    assert [line for line in lines if line.startswith("patched: ")] == [f"patched: {name}" for name in functions]
    assert "hello" in lines, "a connection over TCP"
    assert not any("vfs_mkdir two" in line for line in lines), "unpatched"
    assert "VMALLOCCHUNK" in lines


def _has_ibt(kernel: StockKernel) -> bool:
    return "CONFIG_X86_KERNEL_IBT=y" in kernel.config.read_text()


def _has_landing_pad(module: Path, function: str) -> bool:
    argv: list[str | Path] = ["objdump", "-d", "--no-show-raw-insn", module]
    listed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return re.search(rf"<{function}>:\n +[0-9a-f]+:\tendbr64", listed) is not None


@pytest.mark.kernels
def test_constants_that_the_kernel_writes_into_its_code(other: StockKernel, core: Path, tmp_path: Path) -> None:
    """The limit of user addresses has a variable, the cache of open files (7.2) has none."""
    files = {"kpatch.ko": core, "patch-one.ko": kpatch_build(other, tmp_path, PATCHES / "hidden-file.patch")}
    has_cache = "6.12" not in other.release
    if has_cache:
        files["patch-two.ko"] = kpatch_build(other, tmp_path, "-R", PATCHES / "file-allocation.patch")
    lines = tiny.run(other.vmlinuz, CONSTANTS, files).check().splitlines()
    assert "first plain secret" in lines
    assert "then plain" in lines
    assert ("opened" in lines) == has_cache


@pytest.mark.kernels
def test_a_header_a_static_key_and_pointers(other: StockKernel, core: Path, tmp_path: Path) -> None:
    """Vendor match over twenty objects; then what the new code does, by both interfaces."""
    files = {"kpatch.ko": core}
    for interface in ("core", "livepatch"):
        options: list[str | Path] = ["--interface", interface, "-n", "kinds", "-o", tmp_path / interface]
        (tmp_path / interface).mkdir()
        module = kpatch_build(other, tmp_path, *options, PATCHES / "kinds.patch")
        files[f"{'kpatch' if interface == 'core' else interface}-kinds.ko"] = module
        assert not _has_ibt(other) or _has_landing_pad(module, "count_cpu")
    out = tiny.run(other.vmlinuz, KINDS, files).check()
    calls = ["patched: netif_rx", "patched: netif_rx, key on", "patched: detach_mounts"]
    parts = [part.splitlines() for part in out.split("== ")[1:]]
    assert [part[0] for part in parts] == ["kpatch", "livepatch"]
    for part in parts:
        assert part[1:7] == ["hello", "hello", "Counted: 2", *calls], out


@pytest.mark.kernels
def test_the_first_pointer_to_a_function_without_landing_pad_is_refused(other: StockKernel, tmp_path: Path) -> None:
    """No guest of these tests has IBT, so none would notice (docs/architecture.md): refused when it is built."""
    if not _has_ibt(other):
        pytest.skip("a kernel without CONFIG_X86_KERNEL_IBT")
    with pytest.raises(AssertionError, match=r"address of si_swapinfo, .* removed the landing pad"):
        kpatch_build(other, tmp_path, PATCHES / "first-pointer.patch")


def test_module_of_a_stock_kernel(kernel: StockKernel) -> None:
    (path,) = (kernel.modules_dir / "kernel/fs/ext4").glob("ext4.ko*")
    info = read_modinfo(str(path))
    assert (info.module, info.release) == ("ext4", kernel.release)
    assert not info.is_patch
    assert info.get("license") == "GPL"
