"""The rpm ring: real rpmbuild, rpm, gpg and dnf, each test in its own directory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpmbuild.gpg import Key
from rpmbuild.patch import build_core_rpm, build_patch_rpm, build_subscription_rpm
from tests.rpm.support import KERNEL, gnupg_home, make_kernel, make_module, make_patch, make_rpm, make_system

TOOLS = ("rpmbuild", "rpmsign", "rpmkeys", "gpg", "gpgv", "gcc", "cpio", "rpm2cpio", "createrepo_c")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where the tools of the ring are missing."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    for item in items:
        if missing and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(missing)}"))


@pytest.fixture(scope="session")
def keys() -> Iterator[tuple[Key, Key]]:
    """Ours, and a stranger's."""
    with gnupg_home("ours@localhost", "stranger@localhost") as (ours, stranger):
        yield ours, stranger


@pytest.fixture(scope="session")
def key(keys: tuple[Key, Key]) -> Key:
    """Our key."""
    return keys[0]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Unsigned packages, built once: treat them as read-only."""
    top = tmp_path_factory.mktemp("packages")
    first = make_patch(top / "m", "first")
    second = make_patch(top / "m", "second")
    runtime = make_rpm(top / "out", "kpatch", "1.0.0-1")
    return {
        "1-1": build_patch_rpm(first, KERNEL, "1", "1", ["CVE-2024-1086"], top / "out").rpm,
        "1-2": build_patch_rpm(second, KERNEL, "1", "2", ["CVE-2024-1086", "CVE-2025-1111"], top / "out").rpm,
        "forgetful": build_patch_rpm(second, KERNEL, "1", "3", ["CVE-2025-1111"], top / "out").rpm,
        "subscription": build_subscription_rpm(KERNEL, top / "out").rpm,
        "core": build_core_rpm(make_module(top / "m" / "kpatch.ko"), KERNEL, top / "out").rpm,
        "runtime": runtime,
        "kernel": make_kernel(top / "out"),
        "system": make_system(top / "out"),
    }
