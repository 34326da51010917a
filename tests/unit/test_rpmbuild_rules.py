"""What may not stand in one repository together."""

from __future__ import annotations

from typing import Any

import createrepo_c as cr

from rpmbuild.rules import problems, unprovided

UNAME_R = "6.1.0-56.amd64"


def package(release: str, *cves: str, module: str | None = None, kernel: str | None = UNAME_R) -> Any:
    """A patch package as metadata describes it."""
    made = cr.Package()
    made.name, made.epoch, made.version, made.release, made.arch = "kpatch-patch-6_1_0-56", "0", "1", release, "x86_64"
    made.provides = [(f"kpatch-cve({cve})", None, None, None, None, False) for cve in cves]
    if module:
        made.provides += [(f"kpatch-module({module})", None, None, None, None, False)]
    made.requires = [("kpatch", "GE", "0", "1.0", None, False)]
    if kernel:
        version, _, build = kernel.partition("-")
        made.requires += [("kernel-uname-r", "EQ", "0", version, build or None, False)]
    return made


def test_cumulative_releases_are_fine() -> None:
    assert problems([package("1", "CVE-2024-1086"), package("2", "CVE-2024-1086", "CVE-2025-1111")]) == []


def test_a_lost_cve_is_named() -> None:
    (fault,) = problems([package("10"), package("9", "CVE-2024-1086")])
    assert "1-10.x86_64 no longer fixes CVE-2024-1086" in fault
    assert problems([package("10"), package("9", "CVE-2024-1086")], {"CVE-2024-1086"}) == []


def test_a_patch_names_its_kernel() -> None:
    (fault,) = problems([package("1", kernel=None)])
    assert "for which kernel" in fault
    (fault,) = problems([package("1"), package("2", kernel="6.1.0-57.amd64")])
    assert "several kernels" in fault


def test_each_release_has_its_own_module() -> None:
    (fault,) = problems([package("1", module="kpatch_a"), package("2", module="kpatch_a")])
    assert "both call their module kpatch_a" in fault
    assert problems([package("1", module="kpatch_a"), package("2", module="kpatch_b")]) == []


def test_what_nobody_provides_is_said_once() -> None:
    assert unprovided([package("1"), package("2")]) == [
        "nothing in this repository provides kpatch, which its patches need"
    ]
