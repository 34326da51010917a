"""Hot patches for code of modules, from end to end: the module is there before the patch, or comes later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.vm import kmods, rpms, tiny
from tests.vm.kernels import StockKernel
from tests.vm.test_build import kpatch_build

TOP = Path(__file__).resolve().parents[2]
PATCHES = TOP / "tests/vm/patches"
SAMPLE = TOP / "tests/vm/kmod/sample"
pytestmark = [pytest.mark.vm, pytest.mark.slow]

BINFMT = """
patch=/sys/kernel/kpatch/kpatch_binfmt_status
refused() { cat /sys/kernel/kpatch/last_refusal; exit 1; }
show() { echo "$1: $(cat $patch/binfmt_misc/patched) $(cat /m/status)"; }
start() { insmod /binfmt_misc.ko && mount -t binfmt_misc none /m || exit 1; }
stop() { umount /m && rmmod binfmt_misc || exit 1; }
mkdir /m; insmod /kpatch.ko || exit 1

insmod /patch.ko || refused
echo "alone: $(cat $patch/state) $(cat $patch/binfmt_misc/patched)"
start; show "came later"
echo 0 > /m/status; show "its own variable"
echo 0 > $patch/enabled || refused
echo "off: $(cat /m/status)"
echo 1 > $patch/enabled || refused
show "on again"
stop; echo "gone: $(cat $patch/state) $(cat $patch/binfmt_misc/patched)"
start; show "came again"
echo 0 > $patch/enabled || refused
rmmod kpatch_binfmt_status || exit 1

echo "without: $(cat /m/status)"
insmod /patch.ko || refused
show "was there before"
echo 0 > $patch/enabled || refused
rmmod kpatch_binfmt_status && stop && rmmod kpatch || exit 1
"""


def shipped(kernel: StockKernel, directory: Path) -> Path:
    """binfmt_misc.ko as the vendor ships it, copied to ``directory``, not compressed."""
    (module,) = rpms.module_closure(kernel, ["binfmt_misc"])
    return rpms.copy_module(module, directory / "shipped")


def test_a_module_of_the_kernel(kernel: StockKernel, tmp_path: Path) -> None:
    files = {
        "kpatch.ko": kpatch_build(kernel, tmp_path, "--core"),
        "patch.ko": kpatch_build(kernel, tmp_path, PATCHES / "binfmt-status.patch"),
        "binfmt_misc.ko": shipped(kernel, tmp_path),
    }
    assert tiny.run(kernel.vmlinuz, BINFMT, files).check().splitlines()[:-2] == [
        "alone: enabled 0",
        "came later: 1 patched enabled",
        "its own variable: 1 patched disabled",
        "off: disabled",
        "on again: 1 patched disabled",
        "gone: enabled 0",
        "came again: 1 patched enabled",
        "without: enabled",
        "was there before: 1 patched enabled",
    ]


def test_the_kernel_and_a_module_in_one_patch(kernel: StockKernel, tmp_path: Path) -> None:
    patches = (TOP / "examples/meminfo-string.patch", PATCHES / "binfmt-status.patch")
    files = {
        "kpatch.ko": kpatch_build(kernel, tmp_path, "--core"),
        "patch.ko": kpatch_build(kernel, tmp_path, "-n", "both", *patches),
        "binfmt_misc.ko": shipped(kernel, tmp_path),
    }
    script = """
    insmod /kpatch.ko && insmod /patch.ko || exit 1
    grep -c VMALLOCCHUNK /proc/meminfo
    insmod /binfmt_misc.ko && mkdir /m && mount -t binfmt_misc none /m && cat /m/status || exit 1
    cd /sys/kernel/kpatch/kpatch_both && cat vmlinux/patched binfmt_misc/patched
    """
    assert tiny.run(kernel.vmlinuz, script, files).check().splitlines()[:4] == ["1", "patched enabled", "1", "1"]


@pytest.fixture(scope="module")
def sample(kernel: StockKernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory where somebody else built modules, with the kernel's headers only."""
    place = tmp_path_factory.mktemp("vendor")
    shutil.copytree(SAMPLE, place / "source")
    kmods.make(kernel, place / "source")
    return place / "source"


OUTSIDE = """
status() { echo "$1: $(cat /sys/module/kp_sample/parameters/status)"; }
insmod /kpatch.ko && insmod /patch.ko && insmod /kp-helper.ko && insmod /kp-sample.ko || exit 1
status "came later"
echo 0 > /sys/kernel/kpatch/kpatch_sample/enabled || exit 1
status "off"
echo 1 > /sys/kernel/kpatch/kpatch_sample/enabled || exit 1
status "on"
rmmod kp_sample && rmmod kp_helper && insmod /kp-helper.ko && insmod /kp-sample.ko || exit 1
status "came again"
rmmod kp_sample || exit 1
insmod /other.ko 2>/dev/null && exit 1
dmesg | grep -q 'module kp_sample is refused' && echo 'another build: refused'
"""


def test_modules_from_outside_of_the_kernels_tree(kernel: StockKernel, sample: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")}
    args = ("--oot-module", sample / "kp-sample.ko", "--module", sample, "--oot-module-src", SAMPLE)
    module = kpatch_build(kernel, tmp_path, "-n", "sample", *args, PATCHES / "sample.patch")
    assert {path: path.stat().st_mtime_ns for path in SAMPLE.rglob("*")} == before
    shutil.copytree(sample, tmp_path / "other")
    with open(tmp_path / "other" / "main.c", "a", encoding="ascii") as file:
        file.write("int sample_other(void); int sample_other(void) { return 1; }\n")
    kmods.make(kernel, tmp_path / "other")
    files = {
        "kpatch.ko": kpatch_build(kernel, tmp_path, "--core"),
        "patch.ko": module,
        "other.ko": tmp_path / "other" / "kp-sample.ko",
        **{name: sample / name for name in ("kp-sample.ko", "kp-helper.ko")},
    }
    assert tiny.run(kernel.vmlinuz, OUTSIDE, files).check().splitlines()[:5] == [
        "came later: patched main 101 step 1 patched status 402 level 201",
        "off: main 102 status 404",
        "on: patched main 103 step 1 patched status 406 level 203",
        "came again: patched main 101 step 1 patched status 402 level 201",
        "another build: refused",
    ]


LIVEPATCH = """
patch=/sys/kernel/livepatch/kpatch_binfmt_status
again() { for n in $(seq 300); do "$@" 2>/dev/null && return 0; usleep 100000; done; echo "FAILED: $*"; exit 1; }
transition_is_over() { [ "$(cat $patch/transition 2>/dev/null)" != 1 ]; }
settled() { again transition_is_over; }
start() { insmod /binfmt_misc.ko && mount -t binfmt_misc none /m || exit 1; }
mkdir /m
insmod /patch.ko || exit 1; settled
start; echo 0 > /m/status; echo "came later: $(cat /m/status)"
echo 0 > $patch/enabled || exit 1; settled
again rmmod kpatch_binfmt_status
echo "without: $(cat /m/status)"
insmod /patch.ko || exit 1; settled
echo "was there before: $(cat /m/status)"
"""


def test_a_module_by_livepatch(kernel: StockKernel, tmp_path: Path) -> None:
    patch = PATCHES / "binfmt-status.patch"
    files = {
        "patch.ko": kpatch_build(kernel, tmp_path, "--interface", "livepatch", patch),
        "binfmt_misc.ko": shipped(kernel, tmp_path),
    }
    assert tiny.run(kernel.vmlinuz, LIVEPATCH, files).check().splitlines()[:3] == [
        "came later: patched disabled",
        "without: disabled",
        "was there before: patched disabled",
    ]
