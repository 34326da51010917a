"""A private view of the prepared source in which some files are other ones, the rest the shared files.

The compiler must see a patched file at the same relative path, with the same files beside it, and
nothing may be written to the shared tree.  So the directories on the way to each replaced file and
to each object are real ones, filled with symbolic links; everything else is one link each.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["directories_of", "make_shadow"]

# What kbuild leaves beside the sources; a link to it could be written through.
_PRODUCTS = (".o", ".a", ".ko", ".mod", ".mod.c", ".cmd", ".order", ".symversions", ".lds")


def directories_of(path: str) -> set[str]:
    """All directories that ``path`` walks through, as written: ``a/b/../c/x`` walks through a, a/b and a/c.

    A ``..`` that follows a link would leave the view, so all of them must be real.
    """
    found: set[str] = set()
    here = ""
    for part in posixpath.dirname(path).split("/"):
        here = posixpath.normpath(posixpath.join(here, part))
        if here not in (".", ""):
            found.add(here)
    return found


def make_shadow(view: Path, tree: Path, directories: Iterable[str], replaced: Mapping[str, Path]) -> None:
    """Make ``view``, a tree like ``tree``; ``replaced`` maps relative paths to the files to put there.

    ``directories``: further ones that must be real.  Raises OSError.
    """
    real = {"."}
    for name in [*(posixpath.join(directory, "x") for directory in directories), *replaced]:
        real |= directories_of(name)
    for directory in sorted(real):
        (view / directory).mkdir(parents=True, exist_ok=True)
        if (tree / directory).is_dir():
            _link_entries(view, tree, directory, real, replaced)
    for name, source in replaced.items():
        shutil.copyfile(source, view / name)


def _link_entries(view: Path, tree: Path, directory: str, real: set[str], replaced: Mapping[str, Path]) -> None:
    with os.scandir(tree / directory) as entries:
        for entry in entries:
            name = posixpath.normpath(posixpath.join(directory, entry.name))
            if name in real or name in replaced or entry.name.startswith(".") or _is_product(entry):
                continue
            os.symlink(entry.path, view / name)


def _is_product(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_PRODUCTS) and not entry.is_dir()
