"""The private view of the source, and the check of what the compiler really read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.build.compile import check_sources, read_dependencies
from kpatch.build.shadow import directories_of, make_shadow
from kpatch.errors import MismatchError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    write(top / "fs/proc/a.c", '#include "local.h"\n#include "part.c"\nint a = VALUE;\n')
    write(top / "fs/proc/part.c", "int part = 1;\n")
    write(top / "fs/proc/local.h", "#define VALUE 1\n")
    write(top / "fs/proc/a.o", "product")
    write(top / "fs/proc/.a.o.cmd", "product")
    write(top / "fs/other.c", "int other;\n")
    write(top / "virt/kvm/main.c", "int kvm;\n")
    write(top / "arch/x86/kvm/x86.c", "int x86;\n")
    write(top / "include/linux/x.h", "")
    return top


def test_directories_are_those_that_a_path_walks_through() -> None:
    assert directories_of("fs/proc/a.c") == {"fs", "fs/proc"}
    walked = {"arch", "arch/x86", "arch/x86/kvm", "virt", "virt/kvm"}
    assert directories_of("arch/x86/kvm/../../../virt/kvm/main.o") == walked
    assert directories_of("top.c") == set()


def test_a_replaced_file_stands_among_links_to_the_others(tree: Path, tmp_path: Path) -> None:
    view, new = tmp_path / "view", write(tmp_path / "new.c", "new\n")
    make_shadow(view, tree, [], {"fs/proc/a.c": new})
    assert (view / "fs/proc/a.c").read_text() == "new\n"
    assert not (view / "fs/proc/a.c").is_symlink()
    assert (view / "fs/proc/local.h").resolve() == tree / "fs/proc/local.h"
    assert (view / "include").is_symlink()
    assert not (view / "fs/proc").is_symlink()
    assert not list((view / "fs/proc").glob("*.o")) + list((view / "fs/proc").glob(".*"))


def test_what_is_written_to_the_view_stays_there(tree: Path, tmp_path: Path) -> None:
    view = tmp_path / "view"
    make_shadow(view, tree, ["arch/x86/kvm/../../../virt/kvm"], {"virt/kvm/main.c": write(tmp_path / "n.c", "n\n")})
    (view / "arch/x86/kvm/../../../virt/kvm/main.o").write_text("mine")
    assert not (tree / "virt/kvm/main.o").exists()
    assert (view / "virt/kvm/main.o").read_text() == "mine"


def compile_in(top: Path, output: Path) -> None:
    argv = ["gcc", "-MMD", "-MF", f"{output}.d", "-c", "-o", str(output), "fs/proc/a.c"]
    subprocess.run(argv, cwd=top, check=True)


def test_the_patched_file_and_its_neighbours_are_what_is_compiled(tree: Path, tmp_path: Path) -> None:
    view, output = tmp_path / "view", tmp_path / "out.o"
    make_shadow(view, tree, [], {"fs/proc/part.c": write(tmp_path / "new.c", "int part = 2;\n")})
    compile_in(view, output)
    check_sources(output, view, tree, ["fs/proc/part.c"], ["fs/proc/part.c"])
    assert "fs/proc/local.h" in read_dependencies(Path(f"{output}.d"))


def test_a_file_that_was_not_read_is_told(tree: Path, tmp_path: Path) -> None:
    view, output = tmp_path / "view", tmp_path / "out.o"
    make_shadow(view, tree, [], {"fs/other.c": write(tmp_path / "new.c", "int other = 2;\n")})
    compile_in(view, output)
    with pytest.raises(MismatchError, match=r"fs/other\.c was not read"):
        check_sources(output, view, tree, ["fs/other.c"], ["fs/other.c"])


def test_the_unpatched_file_read_by_another_way_is_told(tree: Path, tmp_path: Path) -> None:
    write(tree / "fs/proc/a.c", f'#include "{tree}/fs/proc/part.c"\n')
    view, output = tmp_path / "view", tmp_path / "out.o"
    make_shadow(view, tree, ["fs/proc"], {"fs/proc/part.c": write(tmp_path / "new.c", "int part = 2;\n")})
    compile_in(view, output)
    with pytest.raises(MismatchError, match="unpatched"):
        check_sources(output, view, tree, [], ["fs/proc/part.c"])
