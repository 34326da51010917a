"""kpatch-build from end to end: a diff becomes a module that a stock kernel loads and obeys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm import tiny
from tests.vm.kernels import StockKernel

TOP = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.vm, pytest.mark.slow]

SCRIPT = """
grep -i '^vmallocchunk' /proc/meminfo
insmod /kpatch.ko || exit 1
insmod /patch.ko || { cat /sys/kernel/kpatch/last_refusal; exit 1; }
grep -i '^vmallocchunk' /proc/meminfo
cat /sys/kernel/kpatch/*/enabled /sys/kernel/kpatch/*/checksum
ls /sys/kernel/kpatch/*/vmlinux
echo 0 > /sys/kernel/kpatch/kpatch_meminfo_string/enabled || exit 1
grep -i '^vmallocchunk' /proc/meminfo
rmmod kpatch_meminfo_string || exit 1
rmmod kpatch || exit 1
"""


def kpatch_build(kernel: StockKernel, out: Path, *args: str | Path) -> Path:
    """The module that kpatch-build writes to ``out``; its standard output is the path."""
    argv = [sys.executable, "-m", "kpatch.cli.build", *kernel.build_options, "-o", str(out), *map(str, args)]
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[0])


def test_a_built_patch_loads_and_unloads(kernel: StockKernel, tmp_path: Path) -> None:
    module = kpatch_build(kernel, tmp_path, TOP / "examples/meminfo-string.patch")
    core = kpatch_build(kernel, tmp_path, "--core")
    result = tiny.run(kernel.vmlinuz, SCRIPT, {"kpatch.ko": core, "patch.ko": module})
    lines = result.check().splitlines()
    shown = [line.split(":")[0] for line in lines if line.lower().startswith("vmallocchunk")]
    assert shown == ["VmallocChunk", "VMALLOCCHUNK", "VmallocChunk"]
    assert "meminfo_proc_show,0" in {word for line in lines for word in line.split()}


def test_the_same_input_gives_the_same_module(kernel: StockKernel, tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    one, two = (kpatch_build(kernel, place, TOP / "examples/meminfo-string.patch") for place in places)
    assert one.read_bytes() == two.read_bytes()


def test_a_new_function_serves_the_other_files_of_the_patch(kernel: StockKernel, tmp_path: Path) -> None:
    module = kpatch_build(kernel, tmp_path, TOP / "tests/vm/patches/new-global.patch")
    core = kpatch_build(kernel, tmp_path, "--core")
    script = "insmod /kpatch.ko && insmod /patch.ko || exit 1\ngrep helped /proc/meminfo; grep helped /proc/meminfo"
    result = tiny.run(kernel.vmlinuz, script, {"kpatch.ko": core, "patch.ko": module})
    assert [line for line in result.check().splitlines() if "helped" in line] == ["helped 100", "helped 200"]
