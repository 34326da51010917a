"""The kernel that a build is for: its prepared source, and what its image says.

Image and symbols are read in a thread of their own while the source is unpacked or the compiler works.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kpatch.build.affected import SourceIndex
from kpatch.build.request import BuildRequest
from kpatch.build.stages import Progress, Stages
from kpatch.data import data_dir
from kpatch.errors import MismatchError
from kpatch.kernel.buildroot import HOST, Buildroot, Toolchain
from kpatch.kernel.cache import cache_root
from kpatch.kernel.compiler import find_compiler
from kpatch.kernel.config import KernelConfig, check_config
from kpatch.kernel.image import KernelImage
from kpatch.kernel.ksymtab import Exports
from kpatch.kernel.modules import Modules
from kpatch.kernel.release import KernelFiles, find_kernel
from kpatch.kernel.source import PreparedTree, kernel_home, prepare
from kpatch.kernel.symbols import SymbolTable, load_symbols

__all__ = ["ARCH", "Facts", "Target", "prepare_target"]

ARCH = "x86"
"""The kernel's directory below arch/ for the only machine so far."""


@dataclass(frozen=True)
class Facts:
    """The shipped image, its symbols, what it and its modules export, and the modules themselves."""

    image: KernelImage
    symbols: SymbolTable
    exports: Exports
    modules: Modules


@dataclass(frozen=True)
class Target:
    """What is known of the kernel to patch."""

    files: KernelFiles
    tree: PreparedTree
    reading: Future[Facts]

    @property
    def facts(self) -> Facts:
        """What the image says; waits until it is read."""
        return self.reading.result()

    def check_image(self) -> None:
        """Raise :class:`MismatchError` when the image is not of the release that was asked for."""
        release = self.facts.image.uts_release
        if release != self.files.release:
            raise MismatchError(
                f"{self.files.image} is kernel {release}, not {self.files.release}",
                "give the image of the kernel to patch (-v FILE), or its release (--kernel RELEASE)",
            )


def prepare_target(request: BuildRequest, stages: Stages, progress: Progress, pool: ThreadPoolExecutor) -> Target:
    """Find the kernel's parts and prepare its source; the image is still being read when this returns."""
    with stages.stage("1-kernel"):
        files = find_kernel(request.kernel_release, request.root, request.explicit)
        config = KernelConfig.read(files.config)
        check_config(config, request.interface)
        tools = _toolchain(request.buildroot, stages)
        compiler = find_compiler(config, request.skip_compiler_check, tools)
        home = kernel_home(cache_root(), files, config, compiler)
        reading = pool.submit(_read_facts, files, home, (*request.oot_modules, *request.modules))
    with stages.stage("2-source"):
        tree = prepare(home, files, config, compiler, request.jobs_or_all, progress, partial(_index, pool))
    return Target(files, tree, reading)


def _toolchain(buildroot: Path | None, stages: Stages) -> Toolchain:
    """Whose programs compile; those of a chroot see the cache, the work directory and our own C files."""
    if buildroot is None:
        return HOST
    built = cache_root() / "build"
    built.mkdir(parents=True, exist_ok=True)
    return Buildroot(buildroot, [built, stages.top, Path(data_dir("kmod"))])


def _index(pool: ThreadPoolExecutor, tree: PreparedTree) -> None:
    """Have the source's text looked through while make works in it."""
    pool.submit(SourceIndex, tree, ARCH)


def _read_facts(files: KernelFiles, home: Path, modules: Sequence[Path]) -> Facts:
    image = KernelImage.read(files.image, home / "image")
    places = [*modules, *([files.modules] if files.modules else [])]
    return Facts(image, load_symbols(image, home / "image"), Exports.read(files.symvers), Modules(places))
