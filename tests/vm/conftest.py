"""What the virtual-machine tests share: the stock kernel, the guest's image, the built patches, booted guests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.buildroots import buildroot
from tests.vm.chain import EXAMPLES, Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.image import GuestImage, guest_image
from tests.vm.kernels import StockKernel, stock_kernel
from tests.vm.site import Site
from tests.vm.target import Target, build_target

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def kernel() -> StockKernel:
    """The newest stock kernel of this machine's distribution.

    Or that of another suite, ``$KPATCH_TEST_SUITE``, or another one of this distribution: ``$KPATCH_TEST_KERNEL``,
    ``6.1.0-56-cloud-amd64``.
    """
    suite = os.environ.get("KPATCH_TEST_SUITE")
    return buildroot(suite) if suite else stock_kernel(os.environ.get("KPATCH_TEST_KERNEL"))


@pytest.fixture(scope="session")
def target(kernel: StockKernel, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """That kernel, or one built by hand, with the core and test modules for it."""
    return build_target(kernel, tmp_path_factory.mktemp("kmods"))


@pytest.fixture(scope="session")
def image(kernel: StockKernel) -> GuestImage:
    """The guest's image around that kernel."""
    return guest_image(kernel)


@pytest.fixture(scope="session")
def chain(kernel: StockKernel, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A publisher of patches for that kernel."""
    return Chain(kernel, tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def v1() -> PatchRelease:
    """First release: one line of /proc/meminfo."""
    return PatchRelease(1, (EXAMPLES / "meminfo-string.patch",), ("CVE-2026-10001",))


@pytest.fixture(scope="session")
def v2() -> PatchRelease:
    """Second, cumulative release: two lines of /proc/meminfo."""
    return PatchRelease(2, (EXAMPLES / "meminfo-string-v2.patch",), ("CVE-2026-10001", "CVE-2026-10002"))


@pytest.fixture(scope="session")
def v3(v2: PatchRelease) -> PatchRelease:
    """Third release: also a function in which tasks sleep."""
    return PatchRelease(3, (*v2.diffs, HERE / "patches/eventfd-read.patch"), (*v2.cves, "CVE-2026-10003"))


@pytest.fixture(scope="module")
def site(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A repository of the module's own, with the runtime, the core module and the subscription."""
    with Site(chain, tmp_path_factory.mktemp("site")) as one:
        one.publish(*chain.base_rpms())
        yield one


@pytest.fixture(scope="module")
def guest(image: GuestImage, site: Site) -> Iterator[Guest]:
    """The guest that the tests of one module share, in their order; subscribed to the site, nothing installed."""
    with Guest(image) as machine:
        machine.boot()
        site.attach(machine)
        yield machine
        machine.assert_clean_log()


@pytest.fixture(autouse=True)
def _clean_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that uses the shared guest: a clean kernel log."""
    machine: Guest | None = request.getfixturevalue("guest") if "guest" in request.fixturenames else None
    yield
    if machine is not None:
        machine.assert_clean_log()
