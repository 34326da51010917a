"""A kernel, with the core module and the hand-written test modules built for it.

``$KPATCH_TEST_TREE``: instead of the stock kernel one that was built by hand (docs/debug-kernel.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.vm import kmods
from tests.vm.kernels import StockKernel

__all__ = ["Target", "build_target"]


@dataclass(frozen=True)
class Target:
    """A kernel and the core and test modules built for it."""

    kernel: StockKernel
    modules: Mapping[str, Path]


def build_target(stock: StockKernel, place: Path) -> Target:
    """The target for ``stock``, or for the kernel built by hand, built in the existing directory ``place``."""
    tree = os.environ.get("KPATCH_TEST_TREE")
    kernel = _by_hand(Path(tree)) if tree else stock
    return Target(kernel, kmods.build(kernel, place))


def _by_hand(tree: Path) -> StockKernel:
    return StockKernel((tree / "include/config/kernel.release").read_text().strip(), tree)
