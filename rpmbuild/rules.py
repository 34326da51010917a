"""What must hold in a repository of hot patches, whoever published into it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from kpatch.version import sort_key
from rpmbuild.package import Package, cves, evr, is_patch, kernel, module, nevra

__all__ = ["problems", "unprovided"]


def problems(packages: Iterable[Package], withdrawn: Collection[str] = ()) -> list[str]:
    """What is wrong with ``packages`` as the content of one repository; empty when nothing is.

    ``withdrawn`` are the CVE identifiers that a newer release may lack although an older one had them.
    """
    families: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        if is_patch(package):
            families.setdefault((package.name, package.arch), []).append(package)
    faults: list[str] = []
    for _, family in sorted(families.items()):
        family.sort(key=lambda package: [sort_key(part) for part in evr(package)])
        faults += _lacks_kernel(family)
        faults += _forgets_cves(family, withdrawn)
        faults += _shares_module_name(family)
    return faults


def unprovided(packages: Iterable[Package]) -> list[str]:
    """What the patches need from other packages of the project and nobody in the repository provides."""
    everything = list(packages)
    provided = {name for package in everything for name, *_ in package.provides}
    missing = {
        name
        for package in everything
        if is_patch(package)
        for name, *_ in package.requires
        if (name == "kpatch" or name.startswith("kpatch-core(")) and name not in provided
    }
    return [f"nothing in this repository provides {name}, which its patches need" for name in sorted(missing)]


def _lacks_kernel(family: list[Package]) -> Iterator[str]:
    for package in family:
        if kernel(package) is None:
            yield f"{nevra(package)} does not say for which kernel it is (Requires: kernel-uname-r = ...)"
    kernels = {kernel(package) for package in family} - {None}
    if len(kernels) > 1:
        yield f"releases of {family[0].name} are for several kernels: {', '.join(sorted(map(str, kernels)))}"


def _forgets_cves(family: list[Package], withdrawn: Collection[str]) -> Iterator[str]:
    """A patch is cumulative: who installs the newest release must have all fixes of the older ones."""
    for older, newer in zip(family, family[1:]):
        lost = sorted(cves(older) - cves(newer) - set(withdrawn))
        if lost:
            yield f"{nevra(newer)} no longer fixes {', '.join(lost)}, which {nevra(older)} fixes"


def _shares_module_name(family: list[Package]) -> Iterator[str]:
    """The kernel can hold one module of a name: the new one could only come after the old one has gone."""
    seen: dict[str, Package] = {}
    for package in family:
        name = module(package)
        if name is not None and name in seen:
            yield f"{nevra(package)} and {nevra(seen[name])} both call their module {name}"
        elif name is not None:
            seen[name] = package
