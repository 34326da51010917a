"""The packages that are keyed to one kernel: the hot patch, its core module, the empty subscription."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch import __version__
from kpatch.errors import BadInput
from rpmbuild.build import BuiltRpms, Source, rpmbuild, source_date
from rpmbuild.modinfo import check_kernel, internal_name, read_modinfo
from rpmbuild.names import KernelRelease, check_cve, check_version, module_file, parse_release, patch_name
from rpmbuild.spec import SpecText, changelog_date, prose, render, word

__all__ = ["build_core_rpm", "build_patch_rpm", "build_subscription_rpm", "core_name"]

DEFAULT_PACKAGER = "kpatch <kpatch@localhost>"
SIDECAR_FORMAT = 1
_MODULE_FILE = re.compile(r"[A-Za-z0-9._+-]+\.ko")


@dataclass(frozen=True)
class _Patch:
    """One hot patch module and what was found out about it."""

    path: Path
    kernel: KernelRelease
    version: str
    release: str
    cves: tuple[str, ...]
    info: dict[str, str]

    @property
    def file(self) -> str:
        """Its file name once installed: its own when it has the form that the kpatch command looks for."""
        name = self.path.name
        if name.startswith("kpatch-") and _MODULE_FILE.fullmatch(name):
            return name
        return module_file(self.kernel, self.version, self.release)

    @property
    def module(self) -> str:
        return internal_name(self.path, self.info)

    @property
    def interface(self) -> str:
        return self.info.get("kpatch_interface") or ("livepatch" if self.info.get("livepatch") else "core")


def core_name(kernel: KernelRelease) -> str:
    """The name of the package with the core module for ``kernel``.

    >>> core_name(parse_release("6.1.0-56-amd64"))
    'kmod-kpatch-6_1_0-56'
    """
    return f"kmod-kpatch-{kernel.name_part}"


def build_patch_rpm(
    module: Path,
    kernel_release: str,
    version: str,
    release: str,
    cves: Sequence[str],
    out: Path,
    description: str = "",
    sources: Sequence[Path] = (),
    packager: str = DEFAULT_PACKAGER,
) -> BuiltRpms:
    """Package the hot patch ``module`` for the kernel ``kernel_release`` as ``kpatch-patch-<kernel>``-V-R.

    ``cves`` are joined with those in the module; ``sources``, the diffs that it was built from, go into the source
    RPM, and their digest into the package.  Raises :class:`BadInput` when the module is for another kernel.
    """
    patch = _inspect(module, kernel_release, version, release, cves)
    sidecar = Path(patch.file).stem + ".json"
    files: dict[str, Source] = {patch.file: module, sidecar: _sidecar(patch, sources)}
    for path in sources:
        name = re.sub(r"[^A-Za-z0-9._+-]", "_", path.name)
        if name in files:
            raise BadInput(f"two source files are called {name}", "rename one of them")
        files[name] = path
    epoch = source_date([module, *sources])
    spec = _render_patch(
        patch.kernel,
        version=word(version),
        release=word(release),
        cves=[word(cve) for cve in patch.cves],
        braced=[SpecText("{" + word(cve) + "}") for cve in patch.cves],
        module=word(patch.module),
        module_file=word(patch.file),
        sidecar_file=word(sidecar),
        needs_core=patch.interface == "core",
        sources=[word(name) for name in files],
        description=prose(description),
        date=changelog_date(epoch),
        packager=prose(packager.replace("\n", " ")),
    )
    return rpmbuild(patch_name(patch.kernel), spec, files, out, epoch, patch.kernel.arch)


def build_subscription_rpm(kernel_release: str, out: Path, packager: str = DEFAULT_PACKAGER) -> BuiltRpms:
    """The empty package 0-0: a system that has it is offered the patches for ``kernel_release`` as updates."""
    kernel = parse_release(kernel_release)
    epoch = source_date([])
    spec = _render_patch(
        kernel,
        version=word("0"),
        release=word("0"),
        cves=[],
        module="",
        needs_core=False,
        sources=[],
        date=changelog_date(epoch),
        packager=prose(packager.replace("\n", " ")),
    )
    return rpmbuild(patch_name(kernel), spec, {}, out, epoch, kernel.arch)


def build_core_rpm(
    ko: Path,
    kernel_release: str,
    out: Path,
    version: str = __version__,
    release: str = "1",
    packager: str = DEFAULT_PACKAGER,
) -> BuiltRpms:
    """Package the core module ``ko`` (kpatch.ko) for the kernel ``kernel_release``."""
    kernel = parse_release(kernel_release)
    info = read_modinfo(ko, kernel.arch)
    check_kernel(ko, info, kernel_release)
    if internal_name(ko, info) != "kpatch":
        raise BadInput(f"{ko} is not the core module: it is called {internal_name(ko, info)}", "give kpatch.ko")
    epoch = source_date([ko])
    spec = render(
        "kpatch-core.spec.j2",
        name=word(core_name(kernel)),
        version=word(check_version(version)),
        release=word(check_version(release, "release")),
        kernel=word(kernel.text),
        uname_r=word(kernel.uname_r),
        arch=word(kernel.arch),
        date=changelog_date(epoch),
        packager=prose(packager.replace("\n", " ")),
    )
    return rpmbuild(core_name(kernel), spec, {"kpatch.ko": ko}, out, epoch, kernel.arch)


def _inspect(module: Path, kernel_release: str, version: str, release: str, cves: Sequence[str]) -> _Patch:
    """Read and check ``module``; all that can be refused is refused here."""
    kernel = parse_release(kernel_release)
    info = read_modinfo(module, kernel.arch)
    if "kpatch" not in info and "livepatch" not in info:
        raise BadInput(f"{module} is no hot patch: its modinfo has no kpatch= entry", "give what kpatch-build wrote")
    check_kernel(module, info, kernel_release)
    named = [cve for cve in info.get("kpatch_cves", "").split(",") if cve]
    return _Patch(
        module,
        kernel,
        check_version(version),
        check_version(release, "release"),
        tuple(sorted({check_cve(cve) for cve in [*named, *cves]}, key=_cve_order)),
        info,
    )


def _cve_order(cve: str) -> tuple[int, int]:
    _, year, number = cve.split("-")
    return int(year), int(number)


def _sidecar(patch: _Patch, sources: Sequence[Path]) -> bytes:
    """The JSON file beside the module: what it is, for programs that read no ELF."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.read_bytes())
    facts = {
        "format": SIDECAR_FORMAT,
        "name": patch.info.get("kpatch_name", Path(patch.file).stem[len("kpatch-") :]),
        "module": patch.module,
        "file": patch.file,
        "kernel": patch.kernel.text,
        "package": patch_name(patch.kernel),
        "version": patch.version,
        "release": patch.release,
        "interface": patch.interface,
        "replace": patch.info.get("kpatch_replace", "1") != "0",
        "checksum": patch.info.get("kpatch_checksum", ""),
        "cves": list(patch.cves),
        "source_sha256": digest.hexdigest() if sources else None,
    }
    return (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()


def _render_patch(kernel: KernelRelease, **values: object) -> str:
    return render(
        "kpatch-patch.spec.j2",
        name=word(patch_name(kernel)),
        kernel=word(kernel.text),
        uname_r=word(kernel.uname_r),
        version_release=word(kernel.version_release),
        arch=word(kernel.arch),
        **values,
    )
