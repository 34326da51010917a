"""The shipped modules of one kernel by name, and what each of them needs."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from kpatch.errors import BadInput
from kpatch.kernel.module import ModuleImage

__all__ = ["Modules", "module_name"]

_ENDINGS = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_FIRST = "kernel"
"""The directory of the kernel's own modules; others (updates/, extra/) hold what was added."""


def module_name(path: str | os.PathLike[str]) -> str:
    """The name that a module of this file (or Module.symvers entry) has in the kernel: ``_`` for ``-``."""
    return os.path.basename(path).split(".ko")[0].replace("-", "_").replace(",", "_")


class Modules:
    """Finds and reads modules, each at most once.

    ``places``: module files and directories to search, best first.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(places)
        self._read: dict[str, ModuleImage] = {}
        self._files: dict[str, Path] | None = None
        self._lock = threading.Lock()

    def find(self, name: str) -> Path:
        """The file of the module ``name``.  Raises :class:`BadInput` when there is none."""
        with self._lock:
            if self._files is None:
                self._files = self._search()
        path = self._files.get(name)
        if path is None:
            where = ", ".join(map(str, self.places)) or "no directory of modules"
            raise BadInput(
                f"the module {name} is not in {where}",
                "install the kernel's modules, or name the module's file or directory with --module",
            )
        return path

    def get(self, name: str) -> ModuleImage:
        """The module ``name`` as shipped.  Raises :class:`BadInput` when it is missing or damaged."""
        path = self.find(name)
        with self._lock:
            if name not in self._read:
                self._read[name] = ModuleImage.read(path)
            return self._read[name]

    def needs(self, name: str) -> list[str]:
        """``name`` and all modules that are loaded whenever it is, nearest first."""
        found = [name]
        for each in found:
            found += [needed for needed in self.get(each).depends if needed not in found]
        return found

    def _search(self) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for place in self.places:
            if place.is_file():
                # A file that the user names may be called anything.
                name = ModuleImage.read(place).modinfo.get("name", module_name(place))
                files.setdefault(name, place)
            for directory, names, entries in os.walk(place):
                names.sort(key=lambda each: (each != _FIRST, each))
                for entry in sorted(entries):
                    if entry.endswith(_ENDINGS):
                        files.setdefault(module_name(entry), Path(directory, entry))
        return files
