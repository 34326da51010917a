"""What the host's code reads from files of a real kernel package."""

from __future__ import annotations

import pytest

from kpatch.host.modinfo import read_modinfo
from tests.vm.kernels import StockKernel

pytestmark = pytest.mark.vm


def test_module_of_a_stock_kernel(kernel: StockKernel) -> None:
    info = read_modinfo(str(kernel.modules_dir / "kernel/fs/ext4/ext4.ko"))
    assert (info.module, info.release) == ("ext4", kernel.release)
    assert not info.is_patch
    assert info.get("license") == "GPL"
