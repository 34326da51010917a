"""Which objects a file is compiled into, by the answers of make on a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.build.affected import Affected, drop_unread, find_affected
from kpatch.errors import Unchanged, Unpatchable
from kpatch.kernel.buildroot import HOST
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from kpatch.kernel.source import PreparedTree
from tests.unit.mini_source import make_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> PreparedTree:
    return make_tree(tmp_path_factory.mktemp("home"))


def objects(tree: PreparedTree, *changed: str) -> list[tuple[str, str]]:
    found = find_affected(Kbuild(tree), changed, [], tree.path, "x86")
    return sorted((unit.target, unit.objname) for unit in found)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("fs/open.c", [("fs/open.o", "vmlinux")]),
        ("fs/proc/meminfo.c", [("fs/proc/meminfo.o", "vmlinux")]),
        ("lib/string.c", [("lib/string.o", "vmlinux")]),
        ("fs/ext/super.c", [("fs/ext/super.o", "ext_fs")]),
        ("fs/ext/main.c", [("fs/ext/main.o", "tool")]),
        ("fs/ext/inline.c", [("fs/ext/super.o", "ext_fs")]),
        ("kernel/sched/debug.c", [("kernel/sched/build_utility.o", "vmlinux")]),
        ("virt/kvm/kvm_main.c", [("arch/x86/kvm/../../../virt/kvm/kvm_main.o", "kvm")]),
        ("arch/x86/kvm/x86.c", [("arch/x86/kvm/x86.o", "kvm")]),
        ("drivers/more/far.c", [("drivers/core/../more/far.o", "wide")]),
    ],
)
def test_the_objects_of_a_file(tree: PreparedTree, path: str, expected: list[tuple[str, str]]) -> None:
    assert objects(tree, path) == expected


def test_two_files_of_one_object_are_one_unit(tree: PreparedTree) -> None:
    found = find_affected(Kbuild(tree), ["fs/ext/inline.c", "fs/ext/super.c"], [], tree.path, "x86")
    assert [unit.reasons for unit in found] == [("fs/ext/inline.c", "fs/ext/super.c")]


@pytest.mark.parametrize("path", ["fs/no.c", "fs/no/x.c", "fs/proc/kcore.c", "lib/ctype.c"])
def test_what_this_configuration_does_not_build_is_unchanged(tree: PreparedTree, path: str) -> None:
    with pytest.raises(Unchanged, match=path):
        objects(tree, path)


def test_what_is_not_built_is_left_out_beside_what_is(tree: PreparedTree) -> None:
    assert objects(tree, "fs/no.c", "fs/open.c") == [("fs/open.o", "vmlinux")]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("kernel/body.c", r"viah\.h includes it"),
        ("lib/vtime.c", "vdso"),
        ("fs/ext/shared.c", "ext_fs, tool"),
    ],
)
def test_what_cannot_be_named_for_sure_is_refused(tree: PreparedTree, path: str, reason: str) -> None:
    with pytest.raises(Unpatchable, match=reason):
        objects(tree, path)


def test_a_new_file_counts_where_it_is_included(tree: PreparedTree, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/new.c").write_text("int b;\n")
    (tmp_path / "fs/open.c").write_text('#include "new.c"\n')
    found = find_affected(Kbuild(tree), ["fs/open.c"], ["fs/new.c"], tmp_path, "x86")
    assert [(unit.target, unit.reasons) for unit in found] == [("fs/open.o", ("fs/open.c", "fs/new.c"))]


def test_a_new_file_that_nothing_builds_is_refused(tree: PreparedTree, tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    (tmp_path / "fs/new.c").write_text("int b;\n")
    with pytest.raises(Unpatchable, match=r"fs/new\.c"):
        find_affected(Kbuild(tree), [], ["fs/new.c"], tmp_path, "x86")


def test_answers_are_kept(tree: PreparedTree) -> None:
    objects(tree, "fs/open.c")
    makefile = tree.path / "fs/Makefile"
    text = makefile.read_text()
    try:
        makefile.write_text("$(error evaluated again)\n")
        assert objects(tree, "fs/open.c") == [("fs/open.o", "vmlinux")]
    finally:
        makefile.write_text(text)


def _unit(path: str, *reasons: str) -> tuple[Affected, ObjectCommand]:
    """An object whose compiler read its own source and ``kernel/common.c`` when it is the first one."""
    sources = {path[:-2] + ".c"} | ({"kernel/common.c"} if path == "kernel/first.o" else set())
    return Affected(path, "vmlinux", reasons), ObjectCommand(path, (), frozenset(sources), None, HOST)


def test_an_include_for_other_settings_affects_nothing() -> None:
    first, second = (_unit(f"kernel/{name}.o", "kernel/common.c") for name in ("first", "second"))
    kept, commands = drop_unread([first[0], second[0]], [first[1], second[1]], [])
    assert ([unit.path for unit in kept], [command.target for command in commands]) == (["kernel/first.o"],) * 2
    with pytest.raises(Unchanged, match=r"kernel/common\.c"):
        drop_unread([second[0]], [second[1]], [])


def test_what_the_compiler_read_or_the_patch_adds_stays_a_reason() -> None:
    unit, command = _unit("kernel/second.o", "kernel/second.c", "kernel/common.c", "kernel/new.c")
    ((kept,), _) = drop_unread([unit], [command], ["kernel/new.c"])
    assert kept.reasons == ("kernel/second.c", "kernel/new.c")
