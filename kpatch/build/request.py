"""What the user asks of one build, and what comes back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kpatch.build.module import check_name, default_name
from kpatch.build.signature import SigningKey
from kpatch.kernel.release import Explicit

__all__ = ["BuildRequest", "BuildResult"]


@dataclass(frozen=True)
class BuildRequest:
    """What the user asked for. ``release`` "" means: that of the running kernel.

    ``interface``: "core" for kpatch.ko, "livepatch" for the kernel's own.  ``modules``: module files, and
    directories of modules, that are looked at before the kernel's own.  ``oot_source``: the source of modules
    that are built outside of the kernel's tree, which the patches are for; ``oot_modules``: those modules.
    ``buildroot``: the chroot whose programs compile, None for this machine's.
    ``max_objects``: how many objects a header may reach; ``layouts_allowed``: types whose layout may change.
    """

    patches: tuple[Path, ...] = ()
    name: str = ""
    output: Path = Path()
    release: str = ""
    root: Path = Path("/")
    explicit: Explicit = field(default_factory=Explicit)
    jobs: int = 0
    replace: bool = True
    interface: str = "core"
    cves: tuple[str, ...] = ()
    version: str = ""
    description: str = ""
    skip_compiler_check: bool = False
    modules: tuple[Path, ...] = ()
    oot_modules: tuple[Path, ...] = ()
    oot_source: Path | None = None
    buildroot: Path | None = None
    signing_key: SigningKey | None = None
    max_objects: int = 300
    layouts_allowed: tuple[str, ...] = ()

    @property
    def kernel_release(self) -> str:
        """The release to build for."""
        return self.release or os.uname().release

    @property
    def jobs_or_all(self) -> int:
        """How many processes may run at once."""
        return self.jobs or os.cpu_count() or 1

    @property
    def patch_name(self) -> str:
        """The patch's name: as given, or from the first diff's file name."""
        return check_name(self.name or default_name(self.patches[0].name))


@dataclass(frozen=True)
class BuildResult:
    """``module``: the .ko that was written; ``report``: everything about it as plain data."""

    module: Path
    report: dict[str, Any]
