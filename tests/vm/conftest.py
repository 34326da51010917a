"""What the virtual-machine tests share: the stock kernel, the guest's image, booted guests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vm.guest import Guest
from tests.vm.image import GuestImage, guest_image
from tests.vm.kernels import StockKernel, stock_kernel


@pytest.fixture(scope="session")
def kernel() -> StockKernel:
    """The newest stock kernel of the distribution."""
    return stock_kernel()


@pytest.fixture(scope="session")
def image(kernel: StockKernel) -> GuestImage:
    """The guest's image around that kernel."""
    return guest_image(kernel)


@pytest.fixture
def guest(image: GuestImage) -> Iterator[Guest]:
    """A guest of the test's own, booted; its kernel log must be clean at the end."""
    with Guest(image) as machine:
        machine.boot()
        yield machine
        machine.assert_clean_log()
