"""Look at a published repository with a client's eyes: everything named is there, whole, and signed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kpatch.errors import BadInput
from rpmbuild.gpg import verify_detached
from rpmbuild.metadata import Repository, load
from rpmbuild.package import nevra
from rpmbuild.rules import problems
from rpmbuild.sign import unsigned_by

__all__ = ["check_repository"]

_BLOCK = 1 << 20


def check_repository(repo: Path, public: str | None = None) -> list[str]:
    """Everything that is wrong with the repository; empty when nothing is.

    ``public`` is the armored key that must have signed it (default: the one that it carries, if any).
    """
    if not (repo / "repodata" / "repomd.xml").exists():
        raise BadInput(f"{repo} is no repository: it has no repodata/repomd.xml", "publish something first")
    found = load(repo)
    faults = _wrong_files(found) + problems(found.packages) + _stray_advisories(found)
    key = public or found.key
    if key:
        faults += _wrong_signatures(found, key)
    elif found.signed:
        faults.append("repomd.xml is signed, but repomd.xml.key is missing")
    return faults


def _wrong_files(found: Repository) -> list[str]:
    expected = {record.location_href: record.checksum for record in found.records}
    expected.update({package.location_href: package.pkgId for package in found.packages})
    faults = []
    for name, checksum in sorted(expected.items()):
        path = found.path / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif _sha256(path) != checksum:
            faults.append(f"{name} is not what the metadata says (checksum)")
    return faults


def _stray_advisories(found: Repository) -> list[str]:
    present = {nevra(package) for package in found.packages}
    return [
        f"advisory {record.id} names {nevra(package)}, which is not in the repository"
        for record in found.advisories
        for collection in record.collections
        for package in collection.packages
        if nevra(package) not in present
    ]


def _wrong_signatures(found: Repository, key: str) -> list[str]:
    repomd = found.repodata / "repomd.xml"
    faults = []
    if not found.signed:
        faults.append("repomd.xml is not signed")
    elif not verify_detached(repomd, repomd.with_name("repomd.xml.asc"), key):
        faults.append("repomd.xml is not signed by the key, or was changed after signing")
    paths = [found.path / package.location_href for package in found.packages]
    return faults + list(unsigned_by([path for path in paths if path.is_file()], key).values())


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
