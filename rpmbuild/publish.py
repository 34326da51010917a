"""Add RPMs to a repository in one step: a client sees the old repository or the new one.

Everything is made in a staging directory inside the repository.  Then the packages move to their place, where no
metadata names them yet, and the metadata directories swap names.  A run that dies leaves a staging directory with
the list of the packages it had begun to move; the next run takes both away.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kpatch.errors import BadInput, KpatchError, Locked
from kpatch.log import logger
from rpmbuild.build import place
from rpmbuild.gpg import Key, sign_detached, verify_detached
from rpmbuild.metadata import Repository, load, write
from rpmbuild.package import Package, RpmFile, identity_of, nevra, read_rpm
from rpmbuild.retention import DEFAULT_KEEP_SECONDS, carry_over
from rpmbuild.rules import problems, unprovided
from rpmbuild.sign import sign_rpm, unsigned_by
from rpmbuild.swap import exchange, sync_tree
from rpmbuild.updateinfo import advisories

__all__ = ["PublishOptions", "Published", "publish"]

PACKAGES = "Packages"
_LOCK = ".kpatch-repo.lock"
_STAGING = ".kpatch-repo-staging."
_MOVED = "moved.json"


@dataclass(frozen=True)
class PublishOptions:
    """How to publish."""

    key: Key | None = None
    """Signs the metadata; RPMs must be signed by it."""
    sign_rpms: bool = False
    """Sign what is not signed yet (the copies in the repository, never the given files)."""
    severity: str | None = None
    """For the new advisories."""
    withdrawn: Collection[str] = ()
    """CVE identifiers that a new release may lack."""
    keep_seconds: float = DEFAULT_KEEP_SECONDS
    """How long metadata stays that is no longer referenced."""
    wait_seconds: float = 60
    """How long to wait for another publisher."""


@dataclass(frozen=True)
class Published:
    """What a publication did."""

    repo: Path
    changed: bool
    added: tuple[str, ...]
    packages: int
    advisories: int
    signed_by: str | None
    warnings: tuple[str, ...] = field(default=())


def publish(rpms: Sequence[Path], repo: Path, options: PublishOptions | None = None) -> Published:
    """Add ``rpms`` to the repository directory ``repo``, which is made when missing.

    Packages that are there already stay; with nothing new the repository is not touched.  Raises
    :class:`BadInput` naming everything that is wrong with the packages, :class:`Locked` when another publisher
    does not finish in time; then the repository is as it was.
    """
    options = options or PublishOptions()
    if options.sign_rpms and options.key is None:
        raise BadInput("packages cannot be signed without a key", "add --key")
    given = [read_rpm(path) for path in rpms]
    made = not repo.exists()
    repo.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(repo, options.wait_seconds):
            old = load(repo)
            _clear_wreckage(old)
            return _publish(given, old, options)
    except BaseException as error:
        if made:
            _remove_empty(repo)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(repo)  # a failing write() names no file
        raise


def _publish(given: Sequence[RpmFile], old: Repository, options: PublishOptions) -> Published:
    present, lost = _present(old)
    new = _new_files(given, present)
    kept = [package for package in old.packages if nevra(package) in present]
    faults = problems([*kept, *(rpm.package for rpm in new)], options.withdrawn)
    if faults:
        raise BadInput("; ".join(faults), "nothing was published; correct the packages, or see kpatch-repo(1)")
    if old.signed and options.key is None:
        raise BadInput(f"the repository {old.path} is signed, and no key was given", "add --key")
    _check_signatures(given, old, options)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=old.path))
    try:
        added = _stage_packages(new, staging, options)
        packages = [*kept, *added]
        records = advisories(packages, old.advisories, options.severity)
        changed = bool(added) or lost or not _is_current(old, options.key, {record.id for record in records})
        if changed:
            _stage_metadata(staging, packages, records, old, options)
            _switch(staging, old)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    warnings = tuple(unprovided(packages))
    for text in warnings:
        logger.warning("%s", text)
    signer = options.key.fingerprint if options.key else None
    names = tuple(nevra(package) for package in added)
    return Published(old.path, changed, names, len(packages), len(records), signer, warnings)


def _present(old: Repository) -> tuple[dict[str, Path], bool]:
    """Packages whose file is there, and whether some are gone: who deletes a file takes the package out."""
    present, lost = {}, False
    for package in old.packages:
        path = old.path / package.location_href
        if path.is_file() and path.stat().st_size == package.size_package:
            present[nevra(package)] = path
        else:
            logger.warning("%s is gone from the repository, or has changed", package.location_href)
            lost = True
    return present, lost


def _new_files(given: Sequence[RpmFile], present: dict[str, Path]) -> list[RpmFile]:
    """Those of ``given`` that the repository lacks; a package with another content under its name is refused."""
    known = dict.fromkeys(present, "")
    new = []
    for rpm in given:
        name = nevra(rpm.package)
        if name in known:
            known[name] = known[name] or identity_of(present[name])
            if known[name] != rpm.identity:
                raise BadInput(
                    f"{rpm.path}: another {name} is in the repository already",
                    "raise the release; a published package never changes",
                )
            continue
        known[name] = rpm.identity
        new.append(rpm)
    return new


def _check_signatures(given: Sequence[RpmFile], old: Repository, options: PublishOptions) -> None:
    """Refuse what a client that trusts the key would refuse."""
    if options.key is None:
        return
    # A repository that gets its (first, or another) key: all that is in it must be signed by that key, too.
    paths = [] if options.sign_rpms else [rpm.path for rpm in given]
    if old.key != options.key.public:
        paths += [old.path / package.location_href for package in old.packages]
    faults = unsigned_by([path for path in paths if path.is_file()], options.key.public)
    if faults:
        raise BadInput(
            f"not signed by the key {options.key.fingerprint}: {'; '.join(faults.values())}",
            "sign with --sign-rpms, or publish into a new directory",
        )


def _stage_packages(new: Sequence[RpmFile], staging: Path, options: PublishOptions) -> list[Package]:
    """Copy the new packages into the staging directory, sign them there, and read them again."""
    folder = staging / PACKAGES
    folder.mkdir()
    staged = []
    for rpm in new:
        path = place(rpm.path, folder / f"{nevra(rpm.package).replace(':', '_')}.rpm")
        if options.sign_rpms and options.key and unsigned_by([path], options.key.public):
            sign_rpm(path, options.key)
        package = read_rpm(path).package
        package.location_href = f"{PACKAGES}/{path.name}"
        staged.append(package)
    return staged


def _is_current(old: Repository, key: Key | None, identifiers: set[str]) -> bool:
    """Whether publishing again would only change dates."""
    repomd = old.repodata / "repomd.xml"
    if not repomd.exists() or {record.id for record in old.advisories} != identifiers:
        return False
    if key is None:
        return True
    signature = repomd.with_name("repomd.xml.asc")
    return old.key == key.public and old.signed and verify_detached(repomd, signature, key.public)


def _stage_metadata(
    staging: Path, packages: Sequence[Package], records: Sequence[object], old: Repository, options: PublishOptions
) -> None:
    repomd = write(staging, packages, records, old)
    # What was written is read back: a compressor need not notice that the disk was full for a moment.
    if len(load(staging).packages) != len(packages):
        raise KpatchError(f"the metadata written for {old.path} is incomplete", "is the disk full?")
    if options.key is not None:
        sign_detached(options.key, repomd, repomd.with_name("repomd.xml.asc"))
        repomd.with_name("repomd.xml.key").write_text(options.key.public)
        for suffix in ("asc", "key"):
            repomd.with_name(f"repomd.xml.{suffix}").chmod(0o644)
    if old.repodata.is_dir():
        carry_over(old.repodata, repomd.parent, old.referenced, options.keep_seconds)


def _switch(staging: Path, old: Repository) -> None:
    """Make the staged repository the live one; on failure the packages that moved go again."""
    folder = old.path / PACKAGES
    names = sorted(path.name for path in (staging / PACKAGES).iterdir())
    # A file that lies there already, unpublished, is not ours to remove.
    fresh = [name for name in names if not (folder / name).exists()]
    (staging / _MOVED).write_text(json.dumps(fresh))
    sync_tree(staging)
    repomd = (staging / "repodata" / "repomd.xml").stat().st_ino
    try:
        folder.mkdir(exist_ok=True)
        for name in names:
            os.replace(staging / PACKAGES / name, folder / name)
        _sync_folder(folder)
        _switch_metadata(staging / "repodata", old.repodata)
    except BaseException:
        live = old.repodata / "repomd.xml"
        if not live.exists() or live.stat().st_ino != repomd:  # else Ctrl-C came after the switch: it is published
            for name in fresh:
                (folder / name).unlink(missing_ok=True)
            _remove_empty(folder)
        raise
    _sync_folder(old.path)


def _switch_metadata(new: Path, live: Path) -> None:
    if not live.exists():
        new.rename(live)
    elif not exchange(new, live):
        # No exchange on this file system: the files that repomd.xml names first, then the three that name them.
        # Between the last two renames a client can see a signature that does not fit, and will try again.
        logger.warning("the file system of %s cannot swap directories: replacing file by file", live)
        last = ("repomd.xml.key", "repomd.xml.asc", "repomd.xml")
        for path in sorted(new.iterdir(), key=lambda path: last.index(path.name) if path.name in last else -1):
            os.replace(path, live / path.name)


def _clear_wreckage(old: Repository) -> None:
    """Take away what a killed run left; called under the lock."""
    live = {package.location_href for package in old.packages}
    for staging in old.path.glob(f"{_STAGING}*"):
        moved = staging / _MOVED
        with_names = json.loads(moved.read_text() or "[]") if moved.exists() else []
        for name in with_names:
            if f"{PACKAGES}/{name}" not in live:
                (old.path / PACKAGES / name).unlink(missing_ok=True)
        logger.warning("a publication was cut short; removing what it left in %s", staging)
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(repo: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the repository's lock; raises :class:`Locked` after ``wait_seconds``."""
    handle = os.open(repo / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise Locked(f"another publisher works on {repo}", "try again when it is done") from error
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_empty(folder: Path) -> None:
    """Remove ``folder`` if nothing but our lock is in it."""
    try:
        if {path.name for path in folder.iterdir()} <= {_LOCK}:
            (folder / _LOCK).unlink(missing_ok=True)
            folder.rmdir()
    except OSError:
        logger.debug("%s stays", folder)
