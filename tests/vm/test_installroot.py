"""``dnf --installroot``, what Anaconda and image builders do: the running kernel is none of its business."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.vm.chain import Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.image import GuestImage
from tests.vm.site import ORIGINAL, V1, Site, loaded_patches, patched_lines

pytestmark = pytest.mark.vm


def test_g_a_root_installed_by_dnf_boots_patched(
    image: GuestImage, site: Site, chain: Chain, v1: PatchRelease, tmp_path: Path
) -> None:
    kernel_core = Path(shutil.copy(image.kernel_core, tmp_path))
    site.chain.publish(site.repo, chain.patch_rpm(v1), kernel_core, sign_rpms=True)
    with Guest(image, "installer", disks=(image.disk,)) as guest:
        guest.boot()
        site.attach(guest)
        guest.run(f"dnf -y install {site.package}-0-0")  # the plugin is there, and the host's plugin runs

        # The new root: the distribution's userland, and neither kernel nor patch in it yet.
        guest.run("mount /dev/vdb /mnt && rpm --root /mnt -e kernel-core && ! ls /mnt/boot/vmlinuz-*")
        guest.run("mount -t proc proc /mnt/proc && mount -t sysfs sysfs /mnt/sys && mount --bind /dev /mnt/dev")
        installed = guest.run(
            "dnf -y --installroot=/mnt --releasever=9 --setopt=reposdir=/etc/yum.repos.d install kernel-core kpatch"
        )
        # Nobody asked for the patch by name: it supplements its kernel.
        assert f"{site.package}-1-1" in guest.run("rpm --root /mnt -qa").stdout, installed
        assert loaded_patches(guest) == [], installed
        assert patched_lines(guest) == ORIGINAL
        guest.run("umount /mnt/proc /mnt/sys /mnt/dev /mnt")
        guest.power_off()

        guest.boot(root="/dev/vdb")
        assert guest.run("findmnt -n -o SOURCE /").stdout == "/dev/vdb\n"
        assert loaded_patches(guest) == [site.module_name(v1)]
        assert patched_lines(guest) == V1
        guest.power_off()
        guest.assert_clean_log()
