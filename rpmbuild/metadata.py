"""A repository's metadata: read what is there, write what shall be there."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import createrepo_c as cr

from kpatch.errors import BadInput, KpatchError
from kpatch.log import logger
from rpmbuild.package import Package

__all__ = ["Repository", "load", "write"]

# Written anew each time, or made from what is; anything else (comps, modules) is carried over.
_OWN = ("primary", "filelists", "other", "updateinfo")


@dataclass(frozen=True)
class Repository:
    """What a repository's metadata says."""

    path: Path
    packages: tuple[Package, ...] = ()
    advisories: tuple[Any, ...] = ()
    records: tuple[Any, ...] = field(default=(), repr=False)
    key: str = ""
    """The armored public key in repomd.xml.key; empty when there is none."""
    signed: bool = False

    @property
    def repodata(self) -> Path:
        return self.path / "repodata"

    @property
    def referenced(self) -> set[str]:
        """The files in repodata that repomd.xml names."""
        return {record.location_href.rpartition("/")[2] for record in self.records}


def load(path: Path) -> Repository:
    """Read the repository at ``path``; one without repodata is empty.  Raises :class:`BadInput` on damage."""
    repomd = path / "repodata" / "repomd.xml"
    if not repomd.exists():
        return Repository(path)
    try:
        reader = cr.RepositoryReader.from_path(str(path), warningcb=_note)
        packages = tuple(reader.iter_packages(warningcb=_note))
        advisories = tuple(reader.advisories())
    except (cr.CreaterepoCError, FileNotFoundError, KeyError) as error:
        raise BadInput(
            f"the metadata of the repository {path} is damaged: {error}",
            f"make it anew: remove {path / 'repodata'} and publish all packages again",
        ) from error
    key_file, signature = (repomd.with_name(f"repomd.xml.{suffix}") for suffix in ("key", "asc"))
    key = key_file.read_text() if key_file.exists() else ""
    return Repository(path, packages, advisories, tuple(reader.repomd.records), key, signature.exists())


def write(into: Path, packages: Iterable[Package], advisories: Iterable[Any], old: Repository) -> Path:
    """Write the metadata of ``packages`` and ``advisories`` below ``into``; returns the repomd.xml.

    What ``old`` has beyond packages and advisories is carried over.
    """
    content = sorted(packages, key=lambda package: (package.name, package.location_href))
    try:
        repomd = _write(into, content, advisories, old)
    except cr.CreaterepoCError as error:
        raise KpatchError(f"cannot write the metadata of {old.path}: {error}", "is the disk full?") from error
    repomd.parent.chmod(0o755)
    for path in repomd.parent.iterdir():
        path.chmod(0o644)
    return repomd


def _write(into: Path, content: Collection[Package], advisories: Iterable[Any], old: Repository) -> Path:
    writer = cr.RepositoryWriter(str(into), num_packages=len(content), compression=cr.GZ_COMPRESSION)
    for package in content:
        writer.add_pkg(package)
    for record in advisories:
        writer.add_update_record(record)
    for record in old.records:
        if record.type not in _OWN and not record.type.endswith(("_db", "_zck")):
            writer.add_repomd_metadata(record.type, str(old.path / record.location_href), use_compression=False)
    writer.repomd.set_revision(str(int(time.time())))
    writer.finish()
    return into / "repodata" / "repomd.xml"


def _note(_kind: int, message: str) -> bool:
    logger.debug("metadata: %s", message)
    return True
