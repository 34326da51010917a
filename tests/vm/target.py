"""A kernel, with the core module and the hand-written test modules built for it.

``$KPATCH_TEST_TREE``: instead of the stock kernel one that was built by hand (docs/debug-kernel.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
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

    @property
    def best(self) -> str:
        """How the core module redirects calls if the patch has trampolines: "direct" where ftrace offers it."""
        return "direct" if self.offers(r"register_ftrace_direct(_multi)?\(struct ftrace_ops") else "ops"

    def offers(self, pattern: str) -> bool:
        """Whether the kernel's linux/ftrace.h declares what the regular expression describes."""
        (header, *_) = (path for path in self._headers() if path.exists())
        return re.search(pattern, header.read_text()) is not None

    def configured(self, option: str) -> bool:
        """Whether the kernel was configured with ``option`` built in."""
        by_hand = self.kernel.root / ".config"
        config = by_hand if by_hand.exists() else self.kernel.config
        return f"{option}=y\n" in config.read_text()

    def _headers(self) -> Iterator[Path]:
        yield from self.kernel.root.glob("usr/src/linux-headers-*-common/include/linux/ftrace.h")
        yield self.kernel.root / "include/linux/ftrace.h"


def build_target(stock: StockKernel, place: Path) -> Target:
    """The target for ``stock``, or for the kernel built by hand, built in the existing directory ``place``."""
    tree = os.environ.get("KPATCH_TEST_TREE")
    kernel = _by_hand(Path(tree)) if tree else stock
    return Target(kernel, kmods.build(kernel, place))


def _by_hand(tree: Path) -> StockKernel:
    return StockKernel((tree / "include/config/kernel.release").read_text().strip(), tree)
