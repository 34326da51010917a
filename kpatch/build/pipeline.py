"""Source diff and kernel in, hot patch module out: the stages of one build in their order.

Each stage takes what the stage before it made.  What does not depend on each other runs at the
same time: image and symbols are read while the source is unpacked or the compiler works.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kpatch.build.affected import find_affected
from kpatch.build.differences import diff_pairs, only_changed, warn_of_interface
from kpatch.build.glue import Glue, build_core
from kpatch.build.headers import find_readers
from kpatch.build.klprelocs import use_klp_relocs
from kpatch.build.layout import check_layouts, check_own_layouts, may_change_types
from kpatch.build.module import ModuleParts, link_module, publish
from kpatch.build.outoftree import compile_outside
from kpatch.build.pairs import Compiled, compile_pairs
from kpatch.build.parts import make_parts
from kpatch.build.patchset import apply_patches, read_patch
from kpatch.build.report import make_report
from kpatch.build.request import BuildRequest, BuildResult
from kpatch.build.signature import sign
from kpatch.build.stages import Progress, Stages, quiet
from kpatch.build.target import ARCH, Target, prepare_target
from kpatch.errors import Unchanged, Unpatchable
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.source import PreparedTree
from kpatch.log import logger

__all__ = ["build", "build_core_module"]


def build(request: BuildRequest, stages: Stages, progress: Progress = quiet) -> BuildResult:
    """Build the module that ``request`` asks for in the work directory ``stages``.

    Raises the errors of :mod:`kpatch.errors`: BadInput, MismatchError, Unpatchable, Unchanged, RunError.
    """
    name = request.patch_name
    for patch in request.patches:
        read_patch(patch)  # all that is wrong with the input itself is told before any work
    with ThreadPoolExecutor(max_workers=max(2, request.jobs_or_all)) as pool:
        target = prepare_target(request, stages, progress, pool)
        glue = _make_glue(request, target, progress)
        if request.oot_source:
            compiled, types_change = compile_outside(request, target.tree, stages, progress, pool)
        else:
            compiled, types_change = _compile_inside(request, target, stages, progress, pool)
        for item in compiled:
            logger.debug("%s changes %s of %s", item.affected.reasons, item.affected.path, item.affected.objname)
        units = diff_pairs(compiled, stages)
        changed = only_changed(units)
        if types_change:
            with progress("comparing the layout of types"):
                btf = target.tree.compiler.writes_btf()
                check_layouts(compiled, units, btf, request.layouts_allowed, pool)
        warn_of_interface(request.interface, [unit.diff for unit in changed])
        target.check_image()
        made = make_parts(name, changed, request, target.facts, stages)
        module = _link(made.parts, glue, request, stages)
    return BuildResult(module, make_report(request, target, units, made, module, stages.seconds))


def _compile_inside(
    request: BuildRequest, target: Target, stages: Stages, progress: Progress, pool: ThreadPoolExecutor
) -> tuple[list[Compiled], bool]:
    """The objects of the kernel's own source that the patches change, and whether types may change with them."""
    kbuild = Kbuild(target.tree)
    files = apply_patches(request.patches, target.tree.path, stages.directory("4-patched") / "files", ARCH)
    added = [name for name in files.added if name.endswith(".c")]
    affected = find_affected(kbuild, files.sources, added, files.top, ARCH)
    try:
        reached = find_readers(kbuild, files, ARCH, request.max_objects, progress)
    except Unpatchable:
        check_own_layouts(affected, files, kbuild, stages.directory("4-patched") / "own", request.layouts_allowed)
        raise
    affected = reached.with_sources(affected)
    if not affected:
        names = ", ".join((*files.changed, *files.added))
        raise Unchanged(f"{names}: nothing in this kernel uses what changes", "there is nothing to patch")
    jobs = request.jobs_or_all
    compiled = compile_pairs(affected, reached.fixed, files, kbuild, stages, progress, pool, jobs)
    return compiled, any(may_change_types(target.tree.path / name, files.top / name) for name in files.changed)


def build_core_module(request: BuildRequest, stages: Stages, progress: Progress = quiet) -> Path:
    """Build kpatch.ko for the kernel, write it where ``request`` says, and return its path."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        target = prepare_target(request, stages, progress, pool)
        built = build_core(target.tree, request.jobs_or_all, progress) / "kpatch.ko"
        target.check_image()
    with stages.stage("7-module") as directory:
        return _publish(built, request, target.tree, directory)


def _make_glue(request: BuildRequest, target: Target, progress: Progress) -> Glue:
    if request.interface == "livepatch":
        return Glue(target.tree, None, request.interface)
    core = build_core(target.tree, request.jobs_or_all, progress)
    return Glue(target.tree, core / "Module.symvers", request.interface)


def _link(parts: ModuleParts, glue: Glue, request: BuildRequest, stages: Stages) -> Path:
    with stages.stage("7-module") as directory:
        module = link_module(parts, glue, directory)
        if request.interface == "livepatch":
            use_klp_relocs(module)
        return _publish(module, request, glue.tree, directory)


def _publish(built: Path, request: BuildRequest, tree: PreparedTree, work: Path) -> Path:
    target = request.output / built.name if request.output.is_dir() else request.output
    publish(sign(built, request.signing_key, tree, work) if request.signing_key else built, target)
    return target
