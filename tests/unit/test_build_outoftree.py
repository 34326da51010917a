"""Out-of-tree modules: what kbuild noted of a build is read right, and the user's directory is left alone."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kpatch.build.outoftree import _compile, _object, _reached, _same_names, release_of
from kpatch.build.patchset import PatchedFiles
from kpatch.errors import BadInput, Unchanged
from kpatch.kernel.buildroot import HOST, Toolchain
from kpatch.kernel.compiler import Compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.source import PreparedTree
from kpatch.run import PathLike
from tests.unit import tiny_kernel


def _tree(tmp_path: Path, tools: Toolchain = HOST) -> PreparedTree:
    config = KernelConfig(tmp_path / "config", {}, "x86_64", "6.1.1")
    return PreparedTree(tmp_path / "home", tmp_path / "kernel", "6.1.1", config, Compiler("gcc", "12", tools))


@pytest.fixture
def tree(tmp_path: Path) -> PreparedTree:
    return _tree(tmp_path)


def _noted(directory: Path, output: str, source: str, *read: str) -> None:
    name = Path(output).name
    words = f"gcc -DMODULE -DKBUILD_MODNAME='\"sample\"' -c -o {output} {source}"
    lines = [f"savedcmd_{output} := {words}", f"source_{output} := {source}", f"deps_{output} := \\"]
    lines += [f"  {name} \\" for name in read]
    path = directory / f".{name}.cmd"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_objects_by_what_they_read_in_the_kernels_tree(tree: PreparedTree, tmp_path: Path) -> None:
    built = tmp_path / "built"
    _noted(built, f"{built}/main.o", f"{built}/main.c", f"{built}/sub/../common.h", "include/linux/module.h")
    _noted(built / "sub", f"{built}/sub/status.o", f"{built}/sub/status.c")
    (built / ".sample.o.cmd").write_text(f"savedcmd_{built}/sample.o := ld -r -o {built}/sample.o main.o\n")
    (found,) = _reached(built, tree, {"common.h"})
    assert (found.path, found.command.module, found.command.target) == ("main.o", "sample", f"{built}/main.o")
    assert found.read == {"main.c", "common.h"}
    with pytest.raises(Unchanged, match=r"other\.c"):
        _reached(built, tree, {"other.c"})


def test_objects_that_were_compiled_in_the_modules_directory(tree: PreparedTree, tmp_path: Path) -> None:
    built = tmp_path / "built"
    _noted(built / "sub", "sub/status.o", "sub/status.c", "common.h", "/usr/src/kernel/include/linux/module.h")
    (found,) = _object(built / "sub" / ".status.o.cmd", built, tree)
    assert (found.path, found.command.target) == ("sub/status.o", "sub/status.o")
    assert found.read == {"sub/status.c", "common.h"}


def test_the_vendors_directory_is_read_from_the_module(tmp_path: Path) -> None:
    built, module = tmp_path / "built", tmp_path / "sample.ko"
    (built / "sub").mkdir(parents=True)
    (built / "sub" / "status.c").write_text("")
    source = 'const char *kept = "x\\0/var/lib/vendor/sub/status.c";'
    source += '__asm__(".section .modinfo,\\"a\\"\\n.asciz \\"%s\\"");'
    tiny_kernel.compile_object(source % "vermagic=6.1.0-9 SMP", module)
    assert _same_names(built, [module]) == f"-fmacro-prefix-map={built}=/var/lib/vendor"
    assert release_of(module) == "6.1.0-9"
    (built / "sub" / "status.c").rename(built / "sub" / "atus.c")
    assert _same_names(built, [module]) == ""
    tiny_kernel.compile_object(source % "license=GPL", module)
    with pytest.raises(BadInput, match="vermagic"):
        release_of(module)


class _Chroot(Toolchain):
    """Has a compiler that this machine does not have, and refuses to run it."""

    def run(
        self,
        argv: Sequence[PathLike],
        cwd: PathLike | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        also: Sequence[Path] = (),
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 1, "", "compiled in the chroot")


def test_the_patched_object_is_compiled_by_the_same_toolchain(tmp_path: Path) -> None:
    built, tree = tmp_path / "built", _tree(tmp_path, _Chroot())
    _noted(built, "main.o", "main.c")
    (found,) = _object(built / ".main.o.cmd", built, tree)
    files = PatchedFiles(tmp_path / "files", ("main.c",), ())
    with pytest.raises(BadInput, match="compiled in the chroot"):
        _compile(found, ["sample"], files, built, tmp_path / "patched", tmp_path / "source", tree)
