"""dnf5 and rpm 6, in the newest userland that there is: hot patches are loaded, replaced and unloaded."""

from __future__ import annotations

import pytest

from tests.vm.chain import Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.image import DNF5, GuestImage, guest_image
from tests.vm.kernels import StockKernel
from tests.vm.site import ORIGINAL, V1, V2, Site, loaded_patches, patched_lines

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def image(kernel: StockKernel) -> GuestImage:
    """The stock kernel with a userland that has dnf5."""
    return guest_image(kernel, DNF5)


def test_what_dnf5_installs_is_loaded(guest: Guest, site: Site, chain: Chain, v1: PatchRelease) -> None:
    assert "dnf5 version 5." in guest.run("dnf --version").stdout
    # Debian enables a plugin that needs createrepo_c and does not depend on it.
    guest.put("/etc/dnf/libdnf5-plugins/local.conf", "[main]\nenabled=0\n")
    site.publish(chain.patch_rpm(v1))
    done = guest.run(f"dnf -y install {site.package}")
    assert f"{site.module_name(v1)} loaded: 1 function" in done.output, done
    assert guest.run("rpm -q kpatch-dnf5", check=False).status == 0, "the action comes along where dnf5 is"
    assert guest.run("rpm -q kpatch-dnf", check=False).status == 1, "the plugin of dnf 4 does not"
    assert loaded_patches(guest) == [site.module_name(v1)]
    assert patched_lines(guest) == V1


def test_dnf5_upgrades_to_the_next_release(guest: Guest, site: Site, chain: Chain, v2: PatchRelease) -> None:
    site.publish(chain.patch_rpm(v2))
    guest.run("yum -y upgrade --refresh")
    assert loaded_patches(guest) == [site.module_name(v2)]
    assert patched_lines(guest) == V2


def test_dnf5_removal_unloads(guest: Guest, site: Site) -> None:
    guest.run(f"dnf -y remove {site.package}")
    assert loaded_patches(guest) == []
    assert patched_lines(guest) == ORIGINAL
    guest.power_off()
