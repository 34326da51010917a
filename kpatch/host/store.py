"""The installed patches of one kernel release, and which of them should be in the kernel."""

import contextlib
import errno
import os
import re
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from kpatch import version
from kpatch.errors import BadInput, KpatchError
from kpatch.host.files import write_beside
from kpatch.host.modinfo import ModInfo, read_modinfo
from kpatch.host.paths import Paths

__all__ = ["Contents", "Installed", "current", "find", "install", "read", "releases", "uninstall"]


class Installed(NamedTuple):
    """One patch module in the store; ``by_hand``: put there by ``kpatch install``, not by a package."""

    info: ModInfo
    by_hand: bool

    @property
    def module(self) -> str:
        return self.info.module

    @property
    def series(self) -> Tuple[str, str]:
        """Cumulative series and version in it: ``kpatch-<kernel>-<ver>-<rel>.ko`` is (kernel, ver-rel).

        A file that is not named after the kernel of its directory is a series of its own.
        """
        stem = os.path.basename(self.info.path).split(".ko")[0]
        match = re.fullmatch(r"kpatch[-_](.+)-([0-9][^-]*-[0-9][^-]*)", stem)
        if match and (_plain(self.info.release) + "_").startswith(_plain(match.group(1)) + "_"):
            return match.group(1), match.group(2)
        return stem, ""


class Contents(NamedTuple):
    """What the store holds for one release: the patches, and why other files were left out."""

    patches: List[Installed]
    faults: List[KpatchError]


def _plain(text: str) -> str:
    """``6.1.0-56`` and ``6_1_0-56`` alike."""
    return re.sub("[^A-Za-z0-9]", "_", text)


def read(paths: Paths, release: str) -> Contents:
    """All patches installed for ``release``; a damaged file is a fault, not the end."""
    contents = Contents([], [])
    package_dir, admin_dir = paths.stores(check_release(release))
    for folder in (package_dir, admin_dir):
        for path in _modules_in(folder):
            try:
                info = read_modinfo(path)
                _check_kernel(info, release)
            except KpatchError as error:
                contents.faults.append(error)
                continue
            if info.is_patch:
                contents.patches.append(Installed(info, folder == admin_dir))
    return contents


def _modules_in(folder: str) -> List[str]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    # The core module may lie beside its patches.  A file that is being written starts with a dot.
    return [
        os.path.join(folder, name)
        for name in names
        if re.fullmatch(r"[^.].*\.ko(\.xz)?", name) and name != "kpatch.ko"
    ]


def current(patches: List[Installed]) -> List[Installed]:
    """Those of ``patches`` that belong into the kernel, in the order to load them.

    Of each cumulative series only its highest version.  Of patches that replace all others at most one can be active:
    what the administrator installed by hand goes before packages, then the higher version.  It is loaded first;
    patches that replace nothing follow.
    """
    newest: Dict[str, Installed] = {}
    for patch in patches:
        best = newest.get(patch.series[0])
        if best is None or _rank(patch) >= _rank(best):
            newest[patch.series[0]] = patch
    tops = list(newest.values())
    replacing = sorted(
        (patch for patch in tops if patch.info.replaces), key=lambda patch: (patch.by_hand, _rank(patch))
    )
    return replacing[-1:] + [patch for patch in tops if not patch.info.replaces]


def _rank(patch: Installed) -> Tuple[version.Key, version.Key, str]:
    ver, _, rel = patch.series[1].partition("-")
    return version.sort_key(ver), version.sort_key(rel), patch.module


def find(patches: List[Installed], name: str) -> Optional[Installed]:
    """The installed patch that a user means by ``name``: module name, file name, or what stands after ``kpatch-``."""
    wanted = _plain(re.sub(r"\.ko(\.xz)?$", "", os.path.basename(name)))
    for patch in reversed(patches):
        if wanted in (patch.module, _plain(patch.info.get("kpatch_name")), re.sub("^kpatch_", "", patch.module)):
            return patch
    return None


def releases(paths: Paths) -> List[str]:
    """Kernel releases that have a directory in the store."""
    found: Set[str] = set()
    for store in (paths.package_store, paths.admin_store):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.update(name for name in os.listdir(store) if os.path.isdir(os.path.join(store, name)))
    return sorted(found, key=version.sort_key)


def check_release(release: str) -> str:
    """``release`` when it can be the name of a directory; raises :class:`BadInput`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+~^-]*", release):
        raise BadInput("{!r} is not a kernel release".format(release), "give what uname -r prints on that kernel")
    return release


def _check_kernel(info: ModInfo, release: str) -> None:
    if info.release != release:
        raise BadInput(
            "{} was built for kernel {}, not for {}".format(info.path, info.release or "(unknown)", release),
            "install the patch that was built for {}".format(release),
        )


def install(paths: Paths, info: ModInfo, release: str) -> str:
    """Put the module of ``info`` into the store of ``release`` and return its path there.

    Doing it twice is fine.  Raises :class:`BadInput` when it is no hot patch, is for another kernel, or another build
    of the same name is installed.
    """
    if not info.is_patch:
        raise BadInput("{} is a kernel module but no hot patch".format(info.path), "build one with kpatch-build")
    _check_kernel(info, check_release(release))
    with open(info.path, "rb") as stream:
        data = stream.read()
    for patch in read(paths, release).patches:
        if patch.module == info.module:
            with open(patch.info.path, "rb") as stream:
                if stream.read() == data:
                    return patch.info.path
            raise BadInput(
                "another build of {} is installed for {}: {}".format(info.module, release, patch.info.path),
                "remove it first: kpatch uninstall -k {} {}".format(release, info.module),
            )
    folder = paths.stores(release)[1]
    os.makedirs(folder, mode=0o755, exist_ok=True)
    path = os.path.join(folder, os.path.basename(info.path))
    write_beside(path, data)
    return path


def uninstall(paths: Paths, name: str, release: str) -> Installed:
    """Remove the patch ``name`` from the store of ``release``.

    Raises :class:`BadInput` when it is not there, or belongs to a package.
    """
    patches = read(paths, release).patches
    patch = find([one for one in patches if one.by_hand], name)
    if patch is None:
        owned = find(patches, name)
        if owned is None:
            raise BadInput("{} is not installed for {}".format(name, release), "kpatch list shows what is")
        raise BadInput(
            "{} belongs to a package: {}".format(owned.module, owned.info.path),
            "remove the package: dnf remove 'kpatch-patch-*' (rpm -qf {} names it)".format(owned.info.path),
        )
    os.unlink(patch.info.path)
    try:
        os.rmdir(os.path.dirname(patch.info.path))
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    return patch
