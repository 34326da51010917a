"""What a changed header reaches, on a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.build.headers import Reached, find_readers
from kpatch.build.patchset import PatchedFiles
from kpatch.build.stages import quiet
from kpatch.errors import Unpatchable
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.source import PreparedTree
from tests.unit.mini_source import make_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> PreparedTree:
    return make_tree(tmp_path_factory.mktemp("home"))


def reach(
    tree: PreparedTree, top: Path, header: str, text: str, also: tuple[str, ...] = (), limit: int = 9
) -> Reached:
    """What is found when ``header`` becomes ``text`` and the files ``also`` change."""
    (top / header).parent.mkdir(parents=True, exist_ok=True)
    (top / header).write_text(text)
    return find_readers(Kbuild(tree), PatchedFiles(top, (header, *also), ()), "x86", limit, quiet)


def targets(reached: Reached) -> list[str]:
    return sorted(unit.target for unit in reached.objects)


def test_readers_through_other_headers_count(tree: PreparedTree, tmp_path: Path) -> None:
    reached = reach(tree, tmp_path, "include/linux/y.h", "int y(int);\n")
    assert targets(reached) == ["fs/namei.o", "kernel/sched/build_utility.o"]
    assert {unit.reasons for unit in reached.objects} == {("include/linux/y.h",)}


def test_new_names_reach_only_who_mentions_them(tree: PreparedTree, tmp_path: Path) -> None:
    text = "int y(void);\nint {}(void);\n"
    assert targets(reach(tree, tmp_path, "include/linux/y.h", text.format("brand_new"))) == []
    assert targets(reach(tree, tmp_path, "include/linux/y.h", text.format("only_here"))) == ["fs/namei.o"]


def test_the_patch_itself_may_mention_them(tree: PreparedTree, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/namei.h").write_text("int another(void);\n")
    text = "int y(void);\nint only_here(void);\n"
    assert targets(reach(tree, tmp_path, "include/linux/y.h", text, ("fs/namei.c", "fs/namei.h"))) == []


def test_a_changed_header_that_made_use_of_the_name_before_counts(tree: PreparedTree, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/namei.h").write_text("#define only_here 1\nint another(void);\n")
    text = "int y(void);\nint only_here(void);\n"
    reached = reach(tree, tmp_path, "include/linux/y.h", text, ("fs/namei.h",))
    assert [(unit.target, unit.reasons) for unit in reached.objects] == [("fs/namei.o", ("include/linux/y.h",))]


@pytest.mark.parametrize(("use", "reached"), [("", []), ("#define TWICE only_here() * 2\n", ["fs/proc/inode.o"])])
def test_a_name_that_stays_declared_under_other_conditions_reaches_its_users(
    tmp_path: Path, use: str, reached: list[str]
) -> None:
    tree = make_tree(tmp_path / "home")
    old = f"#ifdef B\nint only_here(void);\n#else\nstatic inline int only_here(void) {{ return 0; }}\n#endif\n{use}"
    (tree.path / "include/linux/cond.h").write_text(old)
    (tree.path / "fs/proc/inode.c").write_text("#include <linux/cond.h>\n")
    new = old.replace("int only_here(void);\n#else", "#else")
    assert targets(reach(tree, tmp_path / "new", "include/linux/cond.h", new)) == reached


def test_too_many_readers_are_refused_with_their_number(tree: PreparedTree, tmp_path: Path) -> None:
    with pytest.raises(Unpatchable, match=r"y\.h(.|\n)*2 objects(.|\n)*fs/namei\.o") as caught:
        reach(tree, tmp_path, "include/linux/y.h", "int y(int);\n", limit=1)
    assert "--max-objects" in str(caught.value.hint)


def test_a_header_that_the_command_line_includes_is_read_by_all(tree: PreparedTree, tmp_path: Path) -> None:
    with pytest.raises(Unpatchable, match="every object"):
        reach(tree, tmp_path, "include/linux/by_forced.h", "int f(int);\n")
    assert targets(reach(tree, tmp_path, "include/linux/by_forced.h", "int f(void);\nint only_here(void);\n")) == [
        "fs/namei.o"
    ]


@pytest.mark.parametrize(
    ("header", "target", "kind"),
    [
        ("include/linux/asm.h", "kernel/entry.o", "assembler"),
        ("include/linux/time.h", "arch/x86/entry/vdso/vgetcpu.o", "vdso"),
    ],
)
def test_what_cannot_be_patched_is_listed(
    tree: PreparedTree, tmp_path: Path, header: str, target: str, kind: str
) -> None:
    reached = reach(tree, tmp_path, header, "#define FRAME 2\nint t2;\n")
    assert [(unit.target, unit.objname) for unit in reached.fixed] == [(target, kind)]
    assert reached.objects == []


def test_a_new_header_must_not_take_the_place_of_another(tree: PreparedTree, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/namei.h").write_text("#define only_here 2\n")
    files = PatchedFiles(tmp_path, ("fs/namei.h",), ("include/y/linux/y.h",))
    with pytest.raises(Unpatchable, match=r"take another one's place"):
        find_readers(Kbuild(tree), files, "x86", 9, quiet)
