"""Modules that are built outside of the kernel's tree: their own kbuild (``M=DIR``) says how.

The module is compiled in a private copy of its source, the patched objects in a second one; the user's
directory is only read.  Which objects a change reaches stands in what kbuild noted of each compilation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from kpatch.build.affected import Affected
from kpatch.build.compile import compile_object, read_dependencies
from kpatch.build.layout import may_change_types
from kpatch.build.lines import keep_line_numbers
from kpatch.build.pairs import Compiled
from kpatch.build.patchset import PatchedFiles, apply_patches
from kpatch.build.request import BuildRequest
from kpatch.build.stages import Progress, Stages
from kpatch.build.target import ARCH
from kpatch.errors import BadInput, MismatchError, RunError, Unchanged, Unpatchable
from kpatch.kernel.cache import locked
from kpatch.kernel.kbuild import COMPILE_FLAGS, ObjectCommand, module_of, objtool_args, parse_command_file
from kpatch.kernel.module import ModuleImage, read_module
from kpatch.kernel.modules import module_name
from kpatch.kernel.source import PreparedTree
from kpatch.run import run

__all__ = ["compile_outside", "release_of"]

_REMEDY = "give the module's .ko as it runs on the machine, and the source that it was built from"


@dataclass(frozen=True)
class _Object:
    """One object of the module: its place below the source, its command, and the files of the source it read."""

    path: str
    command: ObjectCommand
    read: frozenset[str]


def release_of(module: Path) -> str:
    """The kernel release that ``module`` was built for. Raises :class:`BadInput`."""
    return _release(ModuleImage.read(module), module)


def _release(image: ModuleImage, module: Path) -> str:
    words = image.modinfo.get("vermagic", "").split()
    if not words:
        raise BadInput(f"{module} does not say which kernel it is for (modinfo vermagic)", _REMEDY)
    return words[0]


def compile_outside(
    request: BuildRequest, tree: PreparedTree, stages: Stages, progress: Progress, pool: ThreadPoolExecutor
) -> tuple[list[Compiled], bool]:
    """Original and patched object of everything that the patches change in the module's source.

    Also whether types may change with them.

    Raises :class:`BadInput` when the source does not compile, :class:`MismatchError` when the module
    is for another kernel, :class:`Unchanged` when the patches reach no object.
    """
    source = request.oot_source
    assert source is not None
    names = [_name_for(module, tree.release) for module in request.oot_modules]
    built, patched = stages.directory("3-original") / "module", stages.directory("4-patched") / "module"
    _copy(source, built)
    files = apply_patches(request.patches, built, stages.directory("4-patched") / "files", ARCH)
    with stages.stage("3-original"), progress(f"compiling the module {', '.join(names)}"):
        _make(built, tree, request)
        objects = _reached(built, tree, {*files.changed, *files.added})
    with stages.stage("4-patched"), progress(f"compiling {', '.join(each.path for each in objects)}"):
        _copy(built, patched)
        for name in files.added:
            _place(patched / name, (files.top / name).read_bytes())
        for name in files.changed:
            _place(patched / name, keep_line_numbers(built / name, files.top / name))
        jobs = [pool.submit(_compile, each, names, files, built, patched, source, tree) for each in objects]
        for job in jobs:
            job.exception()  # all end before one of them may fail
        types_change = any(may_change_types(built / name, files.top / name) for name in files.changed)
        return [job.result() for job in jobs], types_change


def _name_for(module: Path, release: str) -> str:
    image = ModuleImage.read(module)
    if _release(image, module) != release:
        raise MismatchError(f"{module} is for kernel {_release(image, module)}, not {release}", _REMEDY)
    return image.modinfo.get("name", module_name(module))


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise BadInput(f"{source}: the module's source is no directory", _REMEDY)
    target.mkdir(parents=True)
    entries = [entry for entry in sorted(source.iterdir()) if entry.name != ".git"]
    run(["cp", "-a", "--reflink=auto", "-t", target, "--", *entries])


def _place(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)  # it may be a link
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _make(built: Path, tree: PreparedTree, request: BuildRequest) -> None:
    """Compile the whole module as its vendor did, with each function in a section of its own."""
    flags = f"{COMPILE_FLAGS} {_same_names(built, request.oot_modules)}".strip()
    args = ["make", "-s", *tree.make_args(), f"M={built}"]
    with locked(tree.lock, "compiles in the prepared source"):
        try:
            tree.tools.run([*args, "clean"], cwd=tree.path)
            options = [f"-j{request.jobs_or_all}", f"KCFLAGS={flags}", "KBUILD_MODPOST_WARN=1", *objtool_args(tree)]
            tree.tools.run([*args, *options, "modules"], cwd=tree.path)
        except RunError as error:
            raise BadInput(
                f"the module's source {request.oot_source} does not compile for {tree.release}:\n{error.message}",
                "it must have a Kbuild or Makefile that works with make -C KERNEL M=DIR modules",
            ) from error


def _same_names(built: Path, modules: Iterable[Path]) -> str:
    """The option that gives ``__FILE__`` the directory where the vendor compiled; "" when no file tells it."""
    text = b"".join(read_module(module) for module in modules)
    for path in sorted(built.rglob("*.[ch]")):
        found = re.search(rb"\0(/[^\0\n]+)/" + re.escape(str(path.relative_to(built)).encode()) + rb"\0", text)
        if found:
            return f"-fmacro-prefix-map={built}={found[1].decode('utf-8', 'surrogateescape')}"
    return ""


def _reached(built: Path, tree: PreparedTree, changed: set[str]) -> list[_Object]:
    """The objects that read one of the ``changed`` files."""
    objects = [each for path in sorted(built.rglob(".*.o.cmd")) for each in _object(path, built, tree)]
    found = [each for each in objects if each.read & changed]
    if not found:
        raise Unchanged(f"no object of the module is compiled from {', '.join(sorted(changed))}", None)
    return found


def _object(noted: Path, built: Path, tree: PreparedTree) -> list[_Object]:
    """What kbuild noted in a ``.cmd`` file, when that is of a compilation."""
    text = noted.read_text("utf-8", "surrogateescape")
    output = noted.with_name(noted.name[1 : -len(".cmd")])
    try:
        commands, _ = parse_command_file(text, output.name)
    except BadInput:
        return []  # a link
    # Until 6.12 make works in the kernel's tree, later in the module's.
    top = tree.path if str(output) in commands[0] else built
    target = str(output) if top is tree.path else str(output.relative_to(built))
    words = re.findall(r"[^\s\\]+", text)
    places = {os.path.normpath(top / word) for word in words if word.endswith((".c", ".h", ".S"))}
    read = frozenset(os.path.relpath(place, built) for place in places if place.startswith(f"{built}/"))
    command = ObjectCommand(target, tuple(map(tuple, commands)), read, module_of(commands[0]), tree.tools)
    return [_Object(str(output.relative_to(built)), command, read)]


def _compile(
    each: _Object,
    names: Sequence[str],
    files: PatchedFiles,
    built: Path,
    patched: Path,
    source: Path,
    tree: PreparedTree,
) -> Compiled:
    """The patched object of ``each``; the original one is there already."""
    reasons = tuple(name for name in (*files.changed, *files.added) if name in each.read)
    objname = each.command.module or ""
    if objname not in names:
        raise Unpatchable(
            f"{', '.join(reasons)} belongs to the module {objname.replace(':', ' and ')}, which was not given",
            "name the .ko of each module that the patch changes with --oot-module",
        )
    commands = tuple(tuple(word.replace(str(built), str(patched)) for word in argv) for argv in each.command.commands)
    inside = each.command.target == each.path
    command = replace(each.command, target=each.command.target.replace(str(built), str(patched)), commands=commands)
    output = patched.parent / each.path.replace("/", ",")
    compile_object(command, patched if inside else tree.path, output, ", ".join(reasons))
    for name in read_dependencies(Path(f"{output}.d")):
        place = os.path.realpath((patched if inside else tree.path) / name)
        if place.startswith((f"{os.path.realpath(source)}/", f"{os.path.realpath(built)}/")):
            raise MismatchError(
                f"the compiler read the unpatched {place} for {each.path}",
                "the module's makefile must name its own directories by $(src) or $(M), not by fixed paths",
            )
    before = (each.command, built if inside else tree.path)
    after = (command, patched if inside else tree.path)
    return Compiled(Affected(each.path, objname, reasons), built / each.path, output, before, after)
