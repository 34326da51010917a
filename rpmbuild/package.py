"""What a package in a repository says of itself, read from its header or from the repository's metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import createrepo_c as cr

from kpatch.errors import BadInput
from kpatch.run import run
from rpmbuild.sign import check_digests

__all__ = ["RpmFile", "cves", "evr", "is_patch", "kernel", "module", "nevra", "read_rpm"]

# createrepo_c is not typed; its Package is passed around as it is.
Package = Any


@dataclass(frozen=True)
class RpmFile:
    """An RPM on disk."""

    path: Path
    package: Package
    identity: str
    """Digests of header and payload, which a signature does not change."""


def read_rpm(path: Path) -> RpmFile:
    """Read the RPM at ``path``; raises :class:`BadInput` when it is missing, damaged or no RPM."""
    if not path.is_file():
        raise BadInput(f"there is no RPM {path}", "give the path of an .rpm file")
    check_digests(path)
    try:
        package = cr.package_from_rpm(str(path), checksum_type=cr.SHA256, location_href=path.name)
    except cr.CreaterepoCError as error:
        raise BadInput(f"{path} is damaged or no RPM: {error}") from error
    return RpmFile(path, package, identity_of(path))


def identity_of(path: Path) -> str:
    """The digests that rpm stored in the RPM at ``path``; an old rpm's packages have the second one only."""
    return run(["rpm", "-qp", "--nosignature", "--qf", "%{SHA256HEADER} %{SIGMD5}", "--", path]).stdout.strip()


def nevra(package: Package) -> str:
    """``name-version-release.arch``, with the epoch when there is one."""
    epoch = "" if package.epoch in (None, "", "0") else f"{package.epoch}:"
    return f"{package.name}-{epoch}{package.version}-{package.release}.{package.arch}"


def evr(package: Package) -> tuple[str, str, str]:
    """(epoch, version, release)."""
    return package.epoch or "0", package.version, package.release


def is_patch(package: Package) -> bool:
    """Whether the package brings hot patches for one kernel (or is the subscription to them)."""
    return package.arch != "src" and str(package.name).startswith("kpatch-patch-")


def cves(package: Package) -> set[str]:
    """The CVE identifiers that the package says it fixes."""
    return set(_in_parentheses(package, "kpatch-cve"))


def module(package: Package) -> str | None:
    """The name that the package's module has in the kernel; None for a subscription or a foreign package."""
    return next(_in_parentheses(package, "kpatch-module"), None)


def kernel(package: Package) -> str | None:
    """The kernel that the package requires, as ``kernel-uname-r`` spells it."""
    for name, flag, _, version, release, *_ in package.requires:
        if name == "kernel-uname-r" and flag == "EQ":
            return f"{version}-{release}" if release else str(version)
    return None


def _in_parentheses(package: Package, namespace: str) -> Iterator[str]:
    for name, *_ in package.provides:
        if name.startswith(f"{namespace}(") and name.endswith(")"):
            yield name[len(namespace) + 1 : -1]
