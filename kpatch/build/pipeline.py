"""Source diff and kernel in, hot patch module out: the stages of one build in their order.

Each stage takes what the stage before it made.  What does not depend on each other runs at the
same time: image and symbols are read while the source is unpacked or the compiler works.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kpatch import __version__
from kpatch.build.affected import Affected, SourceIndex, drop_unread, find_affected
from kpatch.build.anchor import Anchored, Anchorer, anchor_object
from kpatch.build.compile import check_sources, compile_object, compile_original
from kpatch.build.glue import Glue, build_core
from kpatch.build.lines import keep_line_numbers
from kpatch.build.match import match_object
from kpatch.build.module import ModuleParts, check_name, link_module, publish
from kpatch.build.patchset import PatchedFiles, apply_patches, read_patch
from kpatch.build.sections import AnchorReloc, BuildIdentity, FunctionTable, checksum, first_object, last_object
from kpatch.build.shadow import make_shadow
from kpatch.build.stages import Progress, Stages, quiet
from kpatch.build.together import Pair, diff_together
from kpatch.diff.result import DiffResult
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput, MismatchError, Unchanged, Unpatchable
from kpatch.kernel.cache import cache_root
from kpatch.kernel.compiler import find_compiler
from kpatch.kernel.config import KernelConfig, check_config
from kpatch.kernel.image import KernelImage
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from kpatch.kernel.ksymtab import Exports, choose_anchors
from kpatch.kernel.release import Explicit, KernelFiles, find_kernel
from kpatch.kernel.source import PreparedTree, kernel_home, prepare
from kpatch.kernel.symbols import SymbolTable, load_symbols
from kpatch.log import logger

__all__ = ["BuildRequest", "BuildResult", "build", "build_core_module"]

_ARCH = "x86"
"""The kernel's directory below arch/ for the only machine so far."""


@dataclass(frozen=True)
class BuildRequest:
    """What the user asked for. ``release`` "" means: that of the running kernel.

    ``interface``: "core" for kpatch.ko, "livepatch" for the kernel's own.
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
        return check_name(self.name or self.patches[0].name.split(".")[0].replace("_", "-"))


@dataclass(frozen=True)
class BuildResult:
    """``module``: the .ko that was written; ``report``: everything about it as plain data."""

    module: Path
    report: dict[str, Any]


@dataclass(frozen=True)
class _Kernel:
    """What is known of the kernel: ``facts`` come from a thread of their own."""

    files: KernelFiles
    tree: PreparedTree
    facts: Future[_Facts]


@dataclass(frozen=True)
class _Facts:
    """The shipped image, its symbols, and what it exports."""

    image: KernelImage
    symbols: SymbolTable
    exports: Exports


@dataclass
class _Unit:
    """One object on its way: paths of both compilations, then the differ's result."""

    affected: Affected
    command: ObjectCommand
    original: Path
    patched: Path
    diff: DiffResult = field(default_factory=DiffResult)
    anchored: Anchored = field(default_factory=Anchored)
    old: ElfObject | None = None


def build(request: BuildRequest, stages: Stages, progress: Progress = quiet) -> BuildResult:
    """Build the module that ``request`` asks for in the work directory ``stages``.

    Raises the errors of :mod:`kpatch.errors`: BadInput, MismatchError, Unpatchable, Unchanged, RunError.
    """
    name = request.patch_name
    for patch in request.patches:
        read_patch(patch)  # all that is wrong with the input itself is told before any work
    with ThreadPoolExecutor(max_workers=max(2, request.jobs_or_all)) as pool:
        kernel = _prepare_kernel(request, stages, progress, pool)
        kbuild = Kbuild(kernel.tree)
        files, affected = _read_patches(request, kernel, kbuild, stages)
        glue = _make_glue(request, kernel, progress)
        units = _compile(affected, files, kernel, kbuild, stages, progress, pool)
        changed = _diff(units, stages)
        _warn_of_interface(request.interface, [unit.diff for unit in changed])
        _check_image(kernel)
        parts = _make_parts(name, changed, request, kernel, stages)
        module = _link(parts, glue, request, stages)
    return BuildResult(module, _report(request, kernel, units, parts, module, stages))


def _prepare_kernel(request: BuildRequest, stages: Stages, progress: Progress, pool: ThreadPoolExecutor) -> _Kernel:
    with stages.stage("1-kernel"):
        files = find_kernel(request.kernel_release, request.root, request.explicit)
        config = KernelConfig.read(files.config)
        check_config(config, request.interface)
        compiler = find_compiler(config, request.skip_compiler_check)
        home = kernel_home(cache_root(), files, config, compiler)
        facts = pool.submit(_read_facts, files, home)
    with stages.stage("2-source"):
        tree = prepare(home, files, config, compiler, request.jobs_or_all, progress, partial(_index, pool))
    return _Kernel(files, tree, facts)


def _make_glue(request: BuildRequest, kernel: _Kernel, progress: Progress) -> Glue:
    if request.interface == "livepatch":
        return Glue(kernel.tree, None, request.interface)
    core = build_core(kernel.tree, request.jobs_or_all, progress)
    return Glue(kernel.tree, core / "Module.symvers", request.interface)


def _index(pool: ThreadPoolExecutor, tree: PreparedTree) -> None:
    """Have the source's text looked through while make works in it."""
    pool.submit(SourceIndex, tree, _ARCH)


def _read_facts(files: KernelFiles, home: Path) -> _Facts:
    image = KernelImage.read(files.image, home / "image")
    return _Facts(image, load_symbols(image, home / "image"), Exports.read(files.symvers))


def _check_image(kernel: _Kernel) -> None:
    """The image must be of the release that was asked for."""
    facts = kernel.facts.result()
    if facts.image.uts_release != kernel.files.release:
        raise MismatchError(
            f"{kernel.files.image} is kernel {facts.image.uts_release}, not {kernel.files.release}",
            "give the image of the kernel to patch (-v FILE), or its release (--kernel RELEASE)",
        )


def _read_patches(
    request: BuildRequest, kernel: _Kernel, kbuild: Kbuild, stages: Stages
) -> tuple[PatchedFiles, list[Affected]]:
    files = apply_patches(request.patches, kernel.tree.path, stages.directory("4-patched") / "files", _ARCH)
    affected = find_affected(kbuild, files.changed, files.added, files.top, _ARCH)
    for unit in affected:
        logger.debug("%s changes %s of %s", ", ".join(unit.reasons), unit.path, unit.objname)
        if unit.objname != "vmlinux":
            raise Unpatchable(
                f"{', '.join(unit.reasons)} belongs to the module {unit.objname}: modules cannot be patched yet",
                "only code that is built into the kernel image can be patched so far",
            )
    return files, affected


def _compile(
    affected: Sequence[Affected],
    files: PatchedFiles,
    kernel: _Kernel,
    kbuild: Kbuild,
    stages: Stages,
    progress: Progress,
    pool: ThreadPoolExecutor,
) -> list[_Unit]:
    """Both objects of each unit, side by side."""
    tree = kernel.tree
    patched_top, view = stages.directory("4-patched"), stages.directory("4-patched") / "source"
    with progress(f"compiling {', '.join(unit.path for unit in affected)}"):
        commands = [kbuild.command(unit.target) for unit in affected]
        affected, commands = drop_unread(affected, commands, files.added)
        replaced = _number_lines(files, tree, patched_top / "numbered")
        directories = {os.path.dirname(name) for command in commands for name in command.sources if name[-2:] == ".c"}
        make_shadow(view, tree.path, [*directories, *(os.path.dirname(unit.target) for unit in affected)], replaced)
        with stages.stage("4-patched"):
            jobs = []
            for unit, command in zip(affected, commands):
                output = patched_top / unit.path.replace("/", ",")
                patched = pool.submit(_compile_patched, unit, command, files, view, tree, output)
                jobs.append((unit, command, pool.submit(_compile_original, command, tree), patched, output))
            # All end before one of them may fail: nothing is left running.
            failures = [job.exception() for *_, original, patched, _ in jobs for job in (original, patched)]
            for failure in failures:
                if failure is not None:
                    raise failure
        units = [_Unit(unit, command, original.result(), output) for unit, command, original, _, output in jobs]
        with stages.stage("3-original") as directory:
            for done in units:
                os.symlink(done.original, directory / done.patched.name)
        return units


def _compile_original(command: ObjectCommand, tree: PreparedTree) -> Path:
    return compile_original(command, tree)


def _compile_patched(
    unit: Affected, command: ObjectCommand, files: PatchedFiles, view: Path, tree: PreparedTree, output: Path
) -> None:
    what = ", ".join(unit.reasons)
    try:
        compile_object(command, view, output, what)
    except BadInput:
        # Once more with the user's own line numbers, so that the message points to the right lines.
        for name in unit.reasons:
            shutil.copyfile(files.top / name, view / name)
        compile_object(command, view, output, what)
        raise
    check_sources(output, view, tree.path, unit.reasons, files.changed)


def _number_lines(files: PatchedFiles, tree: PreparedTree, into: Path) -> dict[str, Path]:
    """The files to compile: patched, with the line numbers that unchanged lines had."""
    replaced = {name: files.top / name for name in files.added}
    for name in files.changed:
        replaced[name] = into / name
        replaced[name].parent.mkdir(parents=True, exist_ok=True)
        replaced[name].write_bytes(keep_line_numbers(tree.path / name, files.top / name))
    return replaced


def _diff(units: Sequence[_Unit], stages: Stages) -> list[_Unit]:
    """The units in which code changes. Raises :class:`Unpatchable` with all refusals, :class:`Unchanged`."""
    refusals = []
    with stages.stage("5-diff") as directory:
        pairs = [
            Pair(ElfObject.read(unit.original), ElfObject.read(unit.patched), unit.affected.objname) for unit in units
        ]
        for unit, pair, result in zip(units, pairs, diff_together(pairs)):
            unit.old, unit.diff = pair.original, result
            refusals += [(unit, refusal) for refusal in unit.diff.refusals]
            for warning in unit.diff.warnings:
                logger.warning("warning: %s: %s", unit.affected.path, warning)
            if unit.diff.out is not None:
                (directory / unit.patched.name).write_bytes(unit.diff.out.to_bytes())
    if refusals:
        lines = [f"{unit.affected.path}: {refusal.message} [{refusal.code}]" for unit, refusal in refusals]
        remedies = dict.fromkeys(refusal.remedy for _, refusal in refusals)
        raise Unpatchable("\n  ".join(("this change cannot be hot patched:", *lines)), "; ".join(remedies))
    changed = [unit for unit in units if unit.diff.out is not None]
    if not changed:
        raise Unchanged(
            f"{', '.join(unit.affected.path for unit in units)}: the patch changes no compiled code",
            "there is nothing to patch",
        )
    return changed


def _warn_of_interface(interface: str, diffs: Sequence[DiffResult]) -> None:
    """Say what the author asked for and livepatch does not do (docs/module-format.md)."""
    forced = [function.name for diff in diffs for function in diff.changed_functions if function.force]
    if interface == "livepatch" and forced:
        logger.warning("warning: livepatch waits until nobody is in %s: it knows no force", ", ".join(forced))


def _make_parts(
    name: str, units: Sequence[_Unit], request: BuildRequest, kernel: _Kernel, stages: Stages
) -> ModuleParts:
    """Vendor match and anchors: every reference of the differ's objects becomes one that this kernel resolves."""
    facts = kernel.facts.result()
    outs = [unit.diff.out for unit in units if unit.diff.out is not None]
    digest = checksum([out.to_bytes() for out in outs])
    anchor_of = partial(_anchor_of, facts)
    table = FunctionTable()
    with stages.stage("6-match"):
        provided = {symbol.name for out in outs for symbol in out.symbols if symbol.bind and not symbol.is_undefined}
        for unit, out in zip(units, outs):
            assert unit.old is not None
            functions = [function.name for function in unit.diff.changed_functions]
            match = match_object(unit.old, facts.image, facts.symbols, functions=functions)
            unit.anchored = anchor_object(out, facts.exports, facts.symbols, match, provided=provided)
            table.add(out, unit.diff.changed_functions, unit.affected.objname, match, anchor_of(out))
    last = last_object(
        outs[0].machine, _identity(facts), _modinfo(name, digest, units, request), request.replace, anchor_of
    )
    return ModuleParts(name, first_object(outs[0].machine), outs, last, table.count, digest)


def _anchor_of(facts: _Facts, obj: ElfObject) -> AnchorReloc:
    return Anchorer(obj, choose_anchors(facts.exports, facts.symbols), facts.symbols).reloc


def _identity(facts: _Facts) -> BuildIdentity:
    image = facts.image
    return BuildIdentity(
        image.uts_release, image.uts_version, image.build_id or b"", image.notes_address, len(image.notes)
    )


def _modinfo(name: str, digest: str, units: Sequence[_Unit], request: BuildRequest) -> dict[str, str]:
    """What the module says about itself, beside what the glue says for every module."""
    functions = [function.name for unit in units for function in unit.diff.changed_functions if function.redirected]
    info = {
        "kpatch_name": name,
        "kpatch_kernel": request.kernel_release,
        "kpatch_replace": "1" if request.replace else "0",
        "description": request.description or f"hot patch {name}: {', '.join(functions)}",
    }
    if request.cves:
        info["kpatch_cves"] = ",".join(request.cves)
    if request.version:
        info["kpatch_version"] = request.version
    return info


def _link(parts: ModuleParts, glue: Glue, request: BuildRequest, stages: Stages) -> Path:
    with stages.stage("7-module") as directory:
        return _publish(link_module(parts, glue, directory), request)


def _publish(built: Path, request: BuildRequest) -> Path:
    target = request.output / built.name if request.output.is_dir() else request.output
    publish(built, target)
    return target


def _report(
    request: BuildRequest,
    kernel: _Kernel,
    units: Sequence[_Unit],
    parts: ModuleParts,
    module: Path,
    stages: Stages,
) -> dict[str, Any]:
    image = kernel.facts.result().image
    return {
        "format": 1,
        "kpatch_build": __version__,
        "module": str(module),
        "name": parts.name,
        "kernel": {"release": kernel.files.release, "version": image.uts_version, "image": str(kernel.files.image)},
        "patches": [str(patch) for patch in request.patches],
        "replace": request.replace,
        "interface": request.interface,
        "cves": list(request.cves),
        "checksum": parts.checksum,
        "objects": [
            {
                **unit.diff.to_json(),
                **unit.anchored.to_json(),
                "path": unit.affected.path,
                "sources": list(unit.affected.reasons),
            }
            for unit in units
        ],
        "seconds": stages.seconds,
    }


def build_core_module(request: BuildRequest, stages: Stages, progress: Progress = quiet) -> Path:
    """Build kpatch.ko for the kernel, write it where ``request`` says, and return its path."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        kernel = _prepare_kernel(request, stages, progress, pool)
        built = build_core(kernel.tree, request.jobs_or_all, progress) / "kpatch.ko"
        _check_image(kernel)
    return _publish(built, request)
