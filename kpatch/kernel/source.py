"""The kernel's source, unpacked and prepared once per kernel in the cache, never changed by a patch.

Uses ``tar`` (with xz, zstd, gzip or bzip2), ``rpmbuild`` for a source RPM, ``cp`` for a user's
tree, and the kernel's own ``make modules_prepare``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from kpatch.errors import BadInput, MismatchError, RunError
from kpatch.kernel.buildroot import Toolchain
from kpatch.kernel.cache import locked, read_json, write_json
from kpatch.kernel.compiler import Compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.packed import unpack
from kpatch.kernel.release import KernelFiles
from kpatch.log import logger
from kpatch.run import run

__all__ = ["PreparedTree", "Step", "kernel_home", "prepare"]

Step = Callable[[str], AbstractContextManager[None]]
"""Tells the user what goes on while it is entered."""

_FORMAT = 1
"""Part of the cache key: change it when what lies in a kernel's directory changes."""

_LARGEST_SYMVERS = 1 << 28
"""Bytes; those of distribution kernels have 2 MB."""

_NEEDED_BYTES = 3 << 30
"""An unpacked 6.x tree takes 1.5 GB; its archive and the objects come on top."""

# Settings that name the vendor's keys or describe tools that take no part in compiling C.
_HARMLESS = re.compile(
    r"CONFIG_(BUILD_SALT|MODULE_SIG_(KEY|ALL)|SYSTEM_(TRUSTED|REVOCATION)_KEYS|SYSTEM_REVOCATION_KEYS|CC_VERSION_TEXT"
    r"|PAHOLE_\w+|RUST\w*|BINDGEN\w*|HAVE_RUST|LOCALVERSION\w*|TOOLS_SUPPORT_RELR|CC_CAN_LINK\w*|INITRAMFS_SOURCE"
    r"|OPENSSL_SUPPORTS_\w+|AS_VERSION|LD_VERSION|GCC_VERSION|LLD_VERSION|CLANG_VERSION)$"
)


@dataclass(frozen=True)
class PreparedTree:
    """``home``: the kernel's cache directory; ``path``: the prepared tree in it."""

    home: Path
    path: Path
    release: str
    config: KernelConfig
    compiler: Compiler

    @property
    def tools(self) -> Toolchain:
        """Whose programs make what is made in the tree."""
        return self.compiler.tools

    @property
    def symvers(self) -> Path:
        """The shipped kernel's Module.symvers, not compressed."""
        return self.path / "Module.symvers"

    @property
    def lock(self) -> Path:
        """Held while something is made inside of ``path``."""
        return self.home / "lock"

    def make_args(self) -> list[str]:
        """What every ``make`` in the tree is given, so that it takes itself for the shipped kernel.

        Without CONFIG_DEBUG_INFO_BTF make does not build resolve_btfids, which only links of vmlinux need; what the
        compiler sees comes from Kconfig and keeps it.
        """
        compiler = self.compiler.command
        return [
            f"CC={compiler}",
            *([] if self.tools.has("gcc") else [f"HOSTCC={compiler}"]),
            f"KERNELRELEASE={self.release}",
            f"PAHOLE={self.home / 'bin' / 'pahole'}",
            "LOCALVERSION=",
            "CONFIG_RUST=",
            "CONFIG_DEBUG_INFO_BTF=",
        ]


def _stat_identity(path: Path) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"


def _tree_identity(top: Path) -> str:
    """A digest over names, sizes and times of all files of a user's tree."""
    digest = hashlib.sha256(str(top).encode())
    for directory, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name != ".git")
        for name in sorted(files):
            if name.endswith((".o", ".cmd", ".a", ".ko")):
                continue
            status = os.lstat(os.path.join(directory, name))
            digest.update(f"{directory}/{name} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "replace"))
    return digest.hexdigest()


def kernel_home(cache: Path, files: KernelFiles, config: KernelConfig, compiler: Compiler) -> Path:
    """The directory in ``cache`` for exactly this kernel, source, configuration and compiler."""
    source = _tree_identity(files.source) if files.source_is_tree else _stat_identity(files.source)
    parts = [str(_FORMAT), source, files.release, compiler.command, compiler.version, _stat_identity(files.symvers)]
    parts += [compiler.tools.identity] if compiler.tools.identity else []
    parts += [f"{name}={value}" for name, value in sorted(config.settings.items())]
    key = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
    return cache / "build" / f"{files.release}-{key}"


def prepare(
    home: Path,
    files: KernelFiles,
    config: KernelConfig,
    compiler: Compiler,
    jobs: int,
    step: Step,
    unpacked: Callable[[PreparedTree], None],
) -> PreparedTree:
    """The prepared tree of the kernel; unpacks and prepares it when ``home`` lacks it.

    ``unpacked`` is called when the source lies there and make begins to work.  An interrupted run
    leaves no stamp, and the next one starts that step anew.  Raises :class:`BadInput` or
    :class:`MismatchError` when source and kernel do not belong together.
    """
    tree = PreparedTree(home, home / "source", files.release, config, compiler)
    stamp = home / "prepared.json"
    if _stamp_holds(stamp):
        return tree
    with locked(tree.lock, f"prepares the source of {files.release}"):
        if _stamp_holds(stamp):
            return tree
        symvers = _read_symvers(files.symvers)
        if not _stamp_holds(home / "unpacked.json"):
            _unpack(tree, files, step)
        _check_version(tree, files)
        unpacked(tree)
        _configure(tree, jobs, step)
        tree.symvers.write_bytes(symvers)
        _compare_config(tree)
        write_json(stamp, {"format": _FORMAT, "source": str(files.source), "release": files.release})
    return tree


def _stamp_holds(stamp: Path) -> bool:
    value = read_json(stamp)
    return isinstance(value, dict) and value.get("format") == _FORMAT


def _unpack(tree: PreparedTree, files: KernelFiles, step: Step) -> None:
    tree.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(tree.home).free
    if free < _NEEDED_BYTES:
        raise BadInput(
            f"{tree.home}: {free >> 20} MiB are free, the source of {files.release} needs {_NEEDED_BYTES >> 20}",
            "make room, or set XDG_CACHE_HOME to a file system with more",
        )
    shutil.rmtree(tree.path, ignore_errors=True)
    tree.path.mkdir()
    if files.source_is_tree:
        _check_source(files.source, files)
        with step(f"copying the source tree {files.source}"):
            _copy_tree(files.source, tree)
    elif files.source.name.endswith(".src.rpm"):
        with step(f"unpacking {files.source.name} (rpmbuild -rp)"):
            _unpack_source_rpm(files.source, tree)
    else:
        with step(f"unpacking {files.source.name}"):
            run(["tar", "--no-same-owner", "--strip-components=1", "-xf", files.source.absolute(), "-C", tree.path])
    _check_source(tree.path, files)
    write_json(tree.home / "unpacked.json", {"format": _FORMAT})


def _check_source(top: Path, files: KernelFiles) -> None:
    if not (top / "Kconfig").is_file():
        raise BadInput(
            f"{files.source} holds no kernel source: there is no Kconfig in its top directory",
            "give the unpacked source of the kernel, or its archive (linux-source-X.Y.tar.xz, or the source RPM)",
        )


def _copy_tree(source: Path, tree: PreparedTree) -> None:
    """A copy that shares blocks where the file system can, cleaned of what the user's builds left."""
    entries = [entry for entry in sorted(source.iterdir()) if entry.name != ".git"]
    run(["cp", "-a", "--reflink=auto", "-t", tree.path, "--", *entries])
    tree.tools.run(["make", "-s", "mrproper"], cwd=tree.path)


def _unpack_source_rpm(source: Path, tree: PreparedTree) -> None:
    top = tree.home / "rpmbuild"
    shutil.rmtree(top, ignore_errors=True)
    run(["rpmbuild", "-rp", "--nodeps", "--define", f"_topdir {top}", source.absolute()])
    found = sorted(top.glob("BUILD/**/Kconfig"), key=lambda path: len(path.parts))
    if found:
        shutil.rmtree(tree.path)
        found[0].parent.rename(tree.path)
        tree.tools.run(["make", "-s", "mrproper"], cwd=tree.path)
    shutil.rmtree(top, ignore_errors=True)


def _check_version(tree: PreparedTree, files: KernelFiles) -> None:
    text = (tree.path / "Makefile").read_text("utf-8", "replace")[:4096]
    numbers = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)$", text, re.MULTILINE))
    version = ".".join(numbers.get(name, "0") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
    if tree.config.version and version != tree.config.version:
        raise MismatchError(
            f"{files.source} is the source of Linux {version}, but kernel {files.release} was built from "
            f"{tree.config.version} (says {files.config})",
            "take the source package of exactly this kernel's version",
        )


def _configure(tree: PreparedTree, jobs: int, step: Step) -> None:
    with step("preparing the source (make modules_prepare)"):
        shutil.copyfile(tree.config.path, tree.path / ".config")
        _write_pahole(tree)
        _pretend_rust(tree)
        args = ["make", "-s", f"-j{jobs}", *tree.make_args(), "modules_prepare"]
        try:
            tree.tools.run(args, cwd=tree.path)
        except RunError as error:
            raise RunError(
                f"the kernel source could not be prepared:\n{error.message}",
                f"install what a kernel build needs {tree.tools.where}: make, flex, bison, bc, libelf-dev, libssl-dev",
            ) from error


def _write_pahole(tree: PreparedTree) -> None:
    """A ``pahole`` that only knows the vendor's version.

    Kconfig asks it, and without the same answer drops settings that change ``struct module``
    (DEBUG_INFO_BTF_MODULES).  BTF itself is never made here.
    """
    number = tree.config.get("PAHOLE_VERSION") or "0"
    script = tree.home / "bin" / "pahole"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\necho v{number[:1]}.{number[1:] or '0'}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _pretend_rust(tree: PreparedTree) -> None:
    """Kconfig keeps the settings that need Rust if the vendor had it; only C is compiled here (``make_args``)."""
    script = tree.path / "scripts" / "rust_is_available.sh"
    if tree.config.enabled("RUST") and script.exists():
        script.write_text("#!/bin/sh\nexit 0\n")


def _read_symvers(source: Path) -> bytes:
    remedy = "install the headers package again"
    data = unpack(source.read_bytes(), _LARGEST_SYMVERS, str(source), remedy)
    if data.count(b"\t") < 3:
        raise BadInput(f"{source} is no Module.symvers", "take the file of the kernel's headers package")
    return data


def _compare_config(tree: PreparedTree) -> None:
    """What kbuild made of the vendor's configuration must be the vendor's configuration."""
    made = KernelConfig.read(tree.path / ".config").settings
    wanted = tree.config.settings
    names = sorted(name for name in {*made, *wanted} if made.get(name) != wanted.get(name))
    faults = [name for name in names if not _HARMLESS.match(name)]
    if faults:
        shown = _config_lines(faults[:10], wanted, made)
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise MismatchError(
            f"{len(faults)} settings of {tree.config.path} do not survive with this source and these tools:\n"
            + "\n".join(shown)
            + more,
            "the source is not the kernel's, or a tool (compiler, assembler, linker) has another version",
        )
    logger.debug("configuration as shipped, except %s", ", ".join(names) or "nothing")


def _config_lines(names: Sequence[str], wanted: object, made: object) -> list[str]:
    assert isinstance(wanted, dict) and isinstance(made, dict)
    return [f"  {name}: kernel {wanted.get(name, 'not set')}, here {made.get(name, 'not set')}" for name in names]
