"""The glue's objects: which ones by interface, and when they are compiled anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.build.glue import Glue
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section
from kpatch.kernel.cache import write_json
from kpatch.kernel.source import PreparedTree
from kpatch.run import run
from tests.unit.mini_source import make_tree


@pytest.fixture
def tree(tmp_path: Path) -> PreparedTree:
    return make_tree(tmp_path)


def with_recorded(one: Glue) -> Glue:
    """The glue with commands that log what they would compile, and compile something smaller."""
    compile_nothing = "echo {0} >>@DIR@/log; echo | cc -xc -c -o @DIR@/{1}.o -"
    commands = {name: [["sh", "-c", compile_nothing.format(name, Path(name).stem)]] for name in one.sources}
    recorded = {"compile": commands, "modpost": [], "mod_compile": [], "link": []}
    one.home.mkdir(parents=True)
    write_json(one.home / "commands.json", recorded)
    return one


def test_trampolines_are_counted(tree: PreparedTree, tmp_path: Path) -> None:
    core = with_recorded(Glue(tree, tmp_path / "Module.symvers"))
    three = core.objects(3)
    assert [path.name for path in three] == ["patch-hook.o", "trampolines.o"]
    assert "#define KPATCH_NR_FUNCS 3\n" in (three[0].parent / "kpatch-params.h").read_text()
    assert core.objects(3) == three
    assert (three[0].parent / "log").read_text() == "patch-hook.c\ntrampolines.S\n", "compiled once"
    assert not set(core.objects(5)) & set(three)


def test_callbacks_alone_need_no_trampolines(tree: PreparedTree, tmp_path: Path) -> None:
    core = with_recorded(Glue(tree, tmp_path / "Module.symvers"))
    assert [path.name for path in core.objects(0)] == ["patch-hook.o"]


def test_livepatch_has_no_trampolines_and_one_object_for_all(tree: PreparedTree) -> None:
    livepatch = with_recorded(Glue(tree, None, "livepatch"))
    (only,) = livepatch.objects(3)
    assert livepatch.objects(5) == [only]
    assert (only.parent / "log").read_text() == "livepatch-hook.c\n"


def test_the_interfaces_do_not_share_what_is_kept(tree: PreparedTree, tmp_path: Path) -> None:
    assert Glue(tree, None, "livepatch").home != Glue(tree, tmp_path / "Module.symvers").home


def test_glue_with_padded_functions_links_with_what_the_differ_makes(tree: PreparedTree, tmp_path: Path) -> None:
    """Kernels with CALL_PADDING: gcc lists the padding in sections that are ordered like the functions."""
    glue = with_recorded(Glue(tree, None, "livepatch"))
    source = tmp_path / "glue.c"
    source.write_text("void hook(void) {}\n")
    glue.recorded.compile["livepatch-hook.c"][:] = [
        ["cc", "-fpatchable-function-entry=16,16", "-c", "-o", "@DIR@/livepatch-hook.o", str(source)]
    ]
    (compiled,) = glue.objects(1)
    differs = ElfObject(c.EM_X86_64)
    table = Section("__patchable_function_entries", flags=c.SHF_ALLOC | c.SHF_WRITE, data=bytes(8), addralign=8)
    differs.add_section(table)
    (tmp_path / "differs.o").write_bytes(differs.to_bytes())
    run(["ld", "-r", "-o", tmp_path / "both.o", compiled, tmp_path / "differs.o"])


def test_commands_that_make_ran_in_the_modules_directory(tree: PreparedTree) -> None:
    """Since 6.13; until then in the kernel's, with the paths that are recorded."""
    glue = Glue(tree, None, "livepatch")
    directory = glue.home / "template"
    directory.mkdir(parents=True)
    (directory / "hook.c").write_text("")
    (directory / "hook.o").write_text("")
    ways = {
        "old": f"cc -Wp,-MMD,{directory}/.hook.o.d -I./include -c -o {directory}/hook.o {directory}/hook.c",
        "new": "cc -Wp,-MMD,./.hook.o.d -I./include -c -o hook.o hook.c",
    }
    for line in ways.values():
        (directory / ".hook.o.cmd").write_text(f"savedcmd_hook.o := {line}\n")
        (words,) = glue._read_commands(directory, "hook.o")
        assert words == ["cc", "-Wp,-MMD,@DIR@/.hook.o.d", "-I./include", "-c", "-o", "@DIR@/hook.o", "@DIR@/hook.c"]
