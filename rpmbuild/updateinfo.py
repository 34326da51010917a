"""Advisories: which package fixes which CVEs, in the form that `dnf updateinfo` and `--security` read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import createrepo_c as cr

from rpmbuild.package import Package, cves, is_patch, kernel, module

__all__ = ["SEVERITIES", "advisories", "advisory_id"]

SEVERITIES = ("Critical", "Important", "Moderate", "Low")
_PREFIX = "KPATCH-"
_CVE_PAGE = "https://www.cve.org/CVERecord?id="


def advisory_id(package: Package) -> str:
    """The identifier of the advisory for ``package``: its name and release after ``KPATCH-``."""
    return f"{_PREFIX}{package.name[len('kpatch-patch-') :]}-{package.version}-{package.release}"


def advisories(packages: Iterable[Package], known: Iterable[Any], severity: str | None = None) -> list[Any]:
    """One record for each patch among ``packages``, and what ``known`` has for other packages.

    A record that is there already stays as it is; ``severity`` goes into new ones.  Records of ours whose package
    has left the repository go with it.
    """
    wanted = {advisory_id(package): package for package in packages if is_patch(package) and module(package)}
    records = {record.id: record for record in known if record.id in wanted or not record.id.startswith(_PREFIX)}
    for identifier, package in wanted.items():
        if identifier not in records:
            records[identifier] = _record(identifier, package, severity)
    return [record for _, record in sorted(records.items())]


def _record(identifier: str, package: Package, severity: str | None) -> Any:
    fixed = sorted(cves(package))
    record = cr.UpdateRecord()
    record.id = identifier
    record.fromstr = "kpatch"
    record.status = "final"
    record.version = "1"
    record.type = "security" if fixed else "bugfix"
    if severity:
        record.severity = severity
    record.title = f"Live patch {package.version}-{package.release} for kernel {kernel(package)}"
    record.summary = record.title
    record.description = (
        "Fixes in the running kernel, without a reboot: " + ", ".join(fixed)
        if fixed
        else "Changes the running kernel."
    )
    # The day when the package was built, so that publishing again says the same.
    built = datetime.fromtimestamp(package.time_build, timezone.utc).replace(tzinfo=None)
    record.issued_date = record.updated_date = built
    for cve in fixed:
        reference = cr.UpdateReference()
        reference.type, reference.id, reference.title, reference.href = "cve", cve, cve, _CVE_PAGE + cve
        record.append_reference(reference)
    record.append_collection(_collection(package))
    return record


def _collection(package: Package) -> Any:
    entry = cr.UpdateCollectionPackage()
    entry.name, entry.version, entry.release = package.name, package.version, package.release
    entry.epoch, entry.arch = package.epoch or "0", package.arch
    entry.filename = package.location_href.rpartition("/")[2]
    entry.reboot_suggested = False
    collection = cr.UpdateCollection()
    collection.name = collection.shortname = "kpatch"
    collection.append(entry)
    return collection
