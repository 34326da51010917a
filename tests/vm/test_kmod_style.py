"""The kernel's own checks of its sources, sparse and checkpatch.pl, find nothing in kmod/; no machine is started."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.vm import cache, kmods
from tests.vm.kernels import StockKernel
from tests.vm.kmods import TOP, write

pytestmark = [pytest.mark.vm, pytest.mark.slow]

KMOD = TOP / "kmod"
CHECKPATCH = ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch")
AUTHORS = "kpatch-macros.h"
"""Macros that define things, which checkpatch takes for statements."""


def _checkpatch(kernel: StockKernel) -> Path:
    """The kernel's scripts/checkpatch.pl, with what it reads beside it."""

    def extract(directory: Path) -> None:
        top = kernel.source_archive.name.removesuffix(".tar.xz")
        names = [f"{top}/scripts/{name}" for name in CHECKPATCH]
        tar: list[str | Path] = ["tar", "-xf", kernel.source_archive, "-C", directory, "--strip-components=2", *names]
        subprocess.run(tar, check=True, timeout=300)

    return cache.entry("checkpatch", kernel.root.name, extract) / CHECKPATCH[0]


def test_checkpatch(kernel: StockKernel) -> None:
    files = sorted(path for path in KMOD.rglob("*.[ch]") if path.name != AUTHORS)
    assert len(files) > 20
    command: list[str | Path] = ["perl", _checkpatch(kernel), "--file", *files]
    done = subprocess.run(command, cwd=KMOD, check=False, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("directory", "targets"), [("core", ["modules"]), ("patch", ["patch-hook.o", "livepatch-hook.o"])]
)
def test_sparse(kernel: StockKernel, tmp_path: Path, directory: str, targets: list[str]) -> None:
    kdir = kmods.headers(kernel, tmp_path / "headers")
    shutil.copytree(KMOD, tmp_path / "kmod", ignore=shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*"))
    write(tmp_path / "kmod/patch/Kbuild", "")
    write(tmp_path / "kmod/patch/kpatch-params.h", "#define KPATCH_NR_FUNCS 3\n")
    command: list[str | Path] = ["make", "-C", kdir, f"M={tmp_path / 'kmod' / directory}", "C=1", *targets]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    assert "  CHECK " in done.stdout, done.stdout
    assert "warning:" not in done.stderr and "error:" not in done.stderr, done.stderr
