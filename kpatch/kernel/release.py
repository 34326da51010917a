"""Where the parts of one kernel release lie: image, configuration, symbol versions, headers, source.

Debian and RPM layouts, in the running system or in an unpacked root (``dpkg-deb -x``,
``rpm2cpio | cpio -id``) whose absolute symlinks are followed inside of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch.errors import BadInput

__all__ = ["Explicit", "KernelFiles", "find_kernel", "inside_root", "installed_releases"]

_COMPRESSIONS = ("", ".gz", ".xz", ".zst", ".bz2")
_TAR_SUFFIXES = (".tar.xz", ".tar.zst", ".tar.gz", ".tar.bz2", ".tar")
_SYMLINKS_MAX = 40


@dataclass(frozen=True)
class Explicit:
    """Paths that the user named; None: look for it."""

    image: Path | None = None
    config: Path | None = None
    symvers: Path | None = None
    source: Path | None = None


@dataclass(frozen=True)
class KernelFiles:
    """The parts of one kernel. ``source`` is an archive, or a directory with the unpacked tree."""

    release: str
    root: Path
    image: Path
    config: Path
    symvers: Path
    source: Path
    headers: Path | None
    modules: Path | None

    @property
    def source_is_tree(self) -> bool:
        """Whether the source is a directory that belongs to the user."""
        return self.source.is_dir()


@dataclass(frozen=True)
class _Part:
    """One thing to look for: candidates relative to the root, best first."""

    what: str
    option: str
    package: str
    candidates: Sequence[str]


def inside_root(root: Path, path: str) -> Path:
    """``path`` below ``root``, symlinks followed as if ``root`` were ``/`` (the last one too)."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            done[-1:] = []
            continue
        here = root.joinpath(*done, part)
        if here.is_symlink() and links < _SYMLINKS_MAX:
            links += 1
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            parts = [step for step in target.split("/") if step not in ("", ".")] + parts
        else:
            done.append(part)
    return root.joinpath(*done)


def installed_releases(root: Path) -> list[str]:
    """Releases that ``root`` has an image or a module directory for, sorted."""
    names: set[str] = set()
    for path in ("lib/modules", "usr/lib/modules"):
        directory = inside_root(root, path)
        if directory.is_dir():
            names.update(entry.name for entry in directory.iterdir() if (entry / "kernel").is_dir())
    boot = inside_root(root, "boot")
    if boot.is_dir():
        names.update(entry.name[len("vmlinuz-") :] for entry in boot.glob("vmlinuz-*"))
    return sorted(names)


def _source_candidates(release: str) -> list[str]:
    """Debian: ``linux-source-6.1.tar.xz``; Ubuntu: a directory ``linux-source-5.15.0`` with the archive in it."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if not match:
        return []
    short, full = f"{match[1]}.{match[2]}", match[0]
    names = [f"linux-source-{version}" for version in dict.fromkeys((short, full))]
    tars = [f"usr/src/{name}{suffix}" for name in names for suffix in _TAR_SUFFIXES]
    nested = [f"usr/src/{name}/{name}{suffix}" for name in names for suffix in _TAR_SUFFIXES]
    trees = [f"usr/src/{name}" for name in (*names, f"linux-{release}", f"linux-{full}")]
    return [*tars, *nested, *trees]


def _parts(release: str) -> dict[str, _Part]:
    module_dirs = (f"lib/modules/{release}", f"usr/lib/modules/{release}")
    headers = [f"usr/src/linux-headers-{release}", f"usr/src/kernels/{release}", *(f"{d}/build" for d in module_dirs)]
    symvers = [f"{d}/Module.symvers" for d in headers]
    symvers += [f"{d}/symvers{end}" for d in module_dirs for end in _COMPRESSIONS[1:]]
    symvers += [f"boot/symvers-{release}{end}" for end in _COMPRESSIONS[1:]]
    return {
        "image": _Part(
            "kernel image",
            "-v FILE",
            f"linux-image-{release} (Debian) or kernel-core (RPM)",
            [f"boot/vmlinuz-{release}", *(f"{d}/vmlinuz" for d in module_dirs)],
        ),
        "config": _Part(
            "configuration",
            "-c FILE",
            f"linux-image-{release} (Debian) or kernel-core (RPM)",
            [f"boot/config-{release}", *(f"{d}/config" for d in module_dirs), *(f"{d}/.config" for d in headers)],
        ),
        "symvers": _Part(
            "symbol versions (Module.symvers)",
            "--symvers FILE",
            f"linux-headers-{release} (Debian) or kernel-devel-{release} (RPM)",
            symvers,
        ),
        "source": _Part(
            "source",
            "--source ARCHIVE or -s DIR",
            "linux-source-X.Y (Debian), or the kernel's source package (RPM)",
            _source_candidates(release),
        ),
        "headers": _Part("headers", "", "", headers),
        "modules": _Part("modules", "", "", module_dirs),
    }


def _find(root: Path, part: _Part) -> Path | None:
    for candidate in part.candidates:
        path = inside_root(root, candidate)
        # Ubuntu's /usr/src/linux-source-5.15.0 is a directory, but holds the archive.
        if path.exists() and not (part.what == "source" and path.is_dir() and not (path / "Kconfig").is_file()):
            return path
    return None


def find_kernel(release: str, root: Path, explicit: Explicit) -> KernelFiles:
    """Find all parts of ``release`` below ``root``, or take them from ``explicit``.

    Raises :class:`BadInput` that names every missing part, the places looked at, the package
    that has it and the option that names it.
    """
    found: dict[str, Path] = {}
    faults: list[str] = []
    given = vars(explicit)
    for key, part in _parts(release).items():
        path = given.get(key)
        if path is not None:
            if not path.exists():
                faults.append(f"{part.what}: {path}: no such file or directory (from {part.option.split()[0]})")
            found[key] = path
            continue
        place = _find(root, part)
        if place is not None:
            found[key] = place
        elif part.option:
            places = "\n".join(f"      {root / shown}" for shown in _collapse(part.candidates))
            faults.append(f"{part.what}: in none of\n{places}\n    install {part.package}, or give {part.option}")
    if faults:
        raise BadInput(
            f"kernel {release}: not everything that a build needs is there\n  " + "\n  ".join(faults),
            _known_releases(release, root),
        )
    return KernelFiles(
        release,
        root,
        found["image"],
        found["config"],
        found["symvers"],
        found["source"],
        found.get("headers"),
        found.get("modules"),
    )


def _collapse(candidates: Sequence[str]) -> list[str]:
    """``a.gz``, ``a.xz`` as ``a.{gz,xz}``, for people to read."""
    endings: dict[str, list[str]] = {}
    for candidate in candidates:
        stem, dot, ending = candidate.rpartition(".")
        known = dot + ending in _COMPRESSIONS and dot
        endings.setdefault(stem if known else candidate, []).append(ending if known else "")
    shown = []
    for stem, found in endings.items():
        shown.append(
            stem if found == [""] else f"{stem}.{{{','.join(found)}}}" if len(found) > 1 else f"{stem}.{found[0]}"
        )
    return shown


def _known_releases(release: str, root: Path) -> str | None:
    known = installed_releases(root)
    if not known:
        return f"{root} holds no kernel at all; --kernel-root names a root with boot/, lib/modules/ and usr/src/"
    if release in known:
        return None
    return f"kernels in {root}: {', '.join(known)}"
