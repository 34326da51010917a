"""A kernel, with the core module and the hand-written test modules built for it.

Other kernels than this machine's: ``$KPATCH_TEST_BUILDROOTS``, a ``:``-separated list of directories made by
mmdebstrap, each with the kernel's image in boot/, its header packages, its compiler and /proc mounted.
``$KPATCH_TEST_TREE``: instead, a kernel built by hand (docs/debug-kernel.md).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vm import kmods
from tests.vm.kernels import StockKernel, stock_kernel

__all__ = ["BUILDROOTS", "Target", "build_target"]

BUILDROOTS = [Path(name) for name in os.environ.get("KPATCH_TEST_BUILDROOTS", "").split(":") if name]


@dataclass(frozen=True)
class Target:
    """A kernel and the core and test modules built for it."""

    kernel: StockKernel
    modules: Mapping[str, Path]


def _kernel() -> StockKernel:
    tree = os.environ.get("KPATCH_TEST_TREE")
    if not tree:
        return stock_kernel()
    return StockKernel((Path(tree) / "include/config/kernel.release").read_text().strip(), Path(tree))


@contextmanager
def build_target(buildroot: Path | None, place: Path) -> Iterator[Target]:
    """The target in ``buildroot``, or the one of this machine, built in ``place``."""
    if buildroot is None:
        kernel = _kernel()
        yield Target(kernel, kmods.build(kernel, place))
        return
    image = next((buildroot / "boot").glob("vmlinuz-*"))
    kernel = StockKernel(image.name[len("vmlinuz-") :], buildroot)
    inside = buildroot / "tmp" / f"kpatch-test-{os.getpid()}"
    inside.mkdir()
    yield Target(kernel, kmods.build(kernel, inside, buildroot))
    shutil.rmtree(inside)
