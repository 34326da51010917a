"""Finding the parts of a kernel in Debian's and in RPM's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.errors import BadInput
from kpatch.kernel.release import Explicit, find_kernel, inside_root, installed_releases

DEBIAN = "6.1.0-56-amd64"
RPM = "5.14.0-427.13.1.el9_4.x86_64"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def debian_root(root: Path) -> Path:
    touch(root / f"boot/vmlinuz-{DEBIAN}")
    touch(root / f"boot/config-{DEBIAN}")
    touch(root / f"usr/src/linux-headers-{DEBIAN}/Module.symvers")
    touch(root / "usr/src/linux-source-6.1.tar.xz")
    (root / f"lib/modules/{DEBIAN}/kernel").mkdir(parents=True)
    (root / f"lib/modules/{DEBIAN}/build").symlink_to(f"/usr/src/linux-headers-{DEBIAN}")
    return root


def test_debian_layout(tmp_path: Path) -> None:
    root = debian_root(tmp_path)
    found = find_kernel(DEBIAN, root, Explicit())
    assert found.image == root / f"boot/vmlinuz-{DEBIAN}"
    assert found.symvers == root / f"usr/src/linux-headers-{DEBIAN}/Module.symvers"
    assert found.source == root / "usr/src/linux-source-6.1.tar.xz"
    assert found.headers == root / f"usr/src/linux-headers-{DEBIAN}"


def test_rpm_layout(tmp_path: Path) -> None:
    modules = tmp_path / f"usr/lib/modules/{RPM}"
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for name in ("vmlinuz", "config", "symvers.gz"):
        touch(modules / name)
    source = touch(tmp_path / "kernel.src.rpm")
    found = find_kernel(RPM, tmp_path, Explicit(source=source))
    assert (found.image, found.config, found.symvers) == tuple(
        modules / name for name in ("vmlinuz", "config", "symvers.gz")
    )
    assert found.source == source


def test_ubuntu_keeps_the_archive_in_a_directory(tmp_path: Path) -> None:
    release = "5.15.0-91-generic"
    for name in (
        f"boot/vmlinuz-{release}",
        f"boot/config-{release}",
        f"usr/src/linux-headers-{release}/Module.symvers",
    ):
        touch(tmp_path / name)
    archive = touch(tmp_path / "usr/src/linux-source-5.15.0/linux-source-5.15.0.tar.bz2")
    assert find_kernel(release, tmp_path, Explicit()).source == archive


def test_all_missing_parts_are_named_with_places_packages_and_options(tmp_path: Path) -> None:
    root = debian_root(tmp_path)
    (root / f"boot/vmlinuz-{DEBIAN}").unlink()
    (root / "usr/src/linux-source-6.1.tar.xz").unlink()
    with pytest.raises(BadInput) as caught:
        find_kernel(DEBIAN, root, Explicit())
    text = str(caught.value)
    for part in (str(root / f"boot/vmlinuz-{DEBIAN}"), f"linux-image-{DEBIAN}", "-v FILE", "linux-source", "--source"):
        assert part in text
    assert "Module.symvers)" not in text


def test_the_kernels_that_are_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        find_kernel("6.1.0-57-amd64", debian_root(tmp_path), Explicit())
    assert DEBIAN in (caught.value.hint or "")
    assert installed_releases(tmp_path) == [DEBIAN]


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nosuch"):
        find_kernel(DEBIAN, debian_root(tmp_path), Explicit(config=tmp_path / "nosuch"))


def test_symlinks_stay_inside_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/b/../c")
    (tmp_path / "loop").symlink_to("loop")
    assert inside_root(tmp_path, "a/x") == tmp_path / "c/x"
    assert inside_root(tmp_path, "../../etc") == tmp_path / "etc"
    assert not inside_root(tmp_path, "loop").exists()
