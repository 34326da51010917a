"""Recorded commands of kbuild."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.errors import BadInput, RunError
from kpatch.kernel.kbuild import Kbuild, module_of, parse_command_file, split_commands
from tests.unit.mini_source import make_tree

LINE = (
    "gcc-12 -Wp,-MMD,fs/.a.o.d -I./include -DKBUILD_MODFILE='\"fs/a\"' -DX='$(pound)1' -DY='$$z' "
    "-DKBUILD_MODNAME='\"a\"' -c -o fs/a.o fs/a.c   ; ./tools/objtool/objtool --orc   fs/a.o"
)
CMD = (
    f"savedcmd_fs/a.o := {LINE}\n"
    + r"""
source_fs/a.o := fs/a.c

deps_fs/a.o := \
    $(wildcard include/config/FOO) \
  include/linux/kconfig.h \
  fs/../lib/b.c \
  /usr/lib/gcc/x/include/stdarg.h \

fs/a.o: $(deps_fs/a.o)
"""
)


def test_the_commands_and_sources_of_an_object() -> None:
    commands, sources = parse_command_file(CMD, "fs/a.o")
    assert commands[1] == ["./tools/objtool/objtool", "--orc", "fs/a.o"]
    assert '-DKBUILD_MODFILE="fs/a"' in commands[0]
    assert "-DX=#1" in commands[0]
    assert "-DY=$z" in commands[0]
    assert sources == {"fs/a.c", "include/linux/kconfig.h", "lib/b.c"}


@pytest.mark.parametrize("line", ["gcc -c a.c | tee x", "gcc -c a.c > x", "gcc -c a.c && x", "(gcc -c a.c)"])
def test_a_command_that_is_more_than_programs_is_refused(line: str) -> None:
    with pytest.raises(RunError, match="more than a list"):
        split_commands(line, "a.o")


def test_an_object_that_no_compiler_makes_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a\.o"):
        split_commands("ld -r -o a.o b.o", "a.o")


def test_a_file_without_command_is_refused() -> None:
    with pytest.raises(RunError):
        parse_command_file("nothing\n", "a.o")


@pytest.mark.parametrize(
    ("argv", "module"),
    [
        (["gcc", '-DKBUILD_MODNAME="proc"'], None),
        (["gcc", "-DMODULE", '-DKBUILD_MODNAME="kvm_intel"'], "kvm_intel"),
    ],
)
def test_the_module_of_a_command(argv: list[str], module: str | None) -> None:
    assert module_of(argv) == module


def test_a_module_without_name_is_refused() -> None:
    with pytest.raises(RunError):
        module_of(["gcc", "-DMODULE"])


@pytest.mark.parametrize(
    ("linked", "roots"),
    [
        ("init/built-in.a lib/lib.a", ["init", "lib"]),
        ("./built-in.a lib/lib.a", [".", "lib"]),
        ("built-in.a lib/lib.a", [".", "lib"]),  # since 6.13
    ],
)
def test_the_directories_that_the_kernel_is_linked_from(tmp_path: Path, linked: str, roots: list[str]) -> None:
    tree = make_tree(tmp_path)
    makefile = tree.path / "Makefile"
    makefile.write_text(f"{makefile.read_text()}\nKBUILD_VMLINUX_OBJS := {linked}\nKBUILD_VMLINUX_LIBS :=\n")
    assert Kbuild(tree).roots() == roots


OLDER = """
KBUILD_VMLINUX_OBJS := fs/built-in.a
ifneq ($(CONFIG_DEBUG_INFO_BTF),)
fs/open.o: resolve_btfids
resolve_btfids:
	@echo $@ needs python3 >&2; false
endif
fs/open.o:
	@printf 'cmd_$@ := gcc -DKBUILD_MODFILE=fs/open -c -o $@ fs/open.c\\n' > fs/.open.o.cmd
"""
"""As a kernel with BTF before 5.19: the top makefile makes single objects, after the tools for all."""


def test_an_object_is_compiled_without_the_tools_that_only_the_link_needs(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    makefile = tree.path / "Makefile"
    makefile.write_text(f"CONFIG_DEBUG_INFO_BTF := y\n{makefile.read_text()}\n{OLDER}")
    (tmp_path / "commands").mkdir()
    assert Kbuild(tree).command("fs/open.o").source == "fs/open.c"


SEPARATE = """
fs/open.o fs/namei.o: c_flags = -DKBUILD_MODFILE=$@
fs/open.o fs/namei.o: %.o: %.c
	@printf 'cmd_$@ := $(cmd_cc_o_c)\\n' > fs/.$(@F).cmd
	@$(if $(cmd_objtool),echo objtool was to run twice >&2; false)
OBJECT_FILES_NON_STANDARD_namei.o := y
basetarget = $(basename $(@F))
CC := gcc
objtool_args := orc generate
"""
"""As a kernel before 5.16, where objtool is a step after the compiler's command; it is there if it is configured."""


@pytest.mark.parametrize("configured", [True, False])
def test_objtool_is_a_part_of_the_command_where_it_has_a_step_of_its_own(tmp_path: Path, configured: bool) -> None:
    tree = make_tree(tmp_path)
    objtool = "__objtool_obj := ./objtool\n" if configured else ""
    makefile = tree.path / "Makefile"
    makefile.write_text(f"{makefile.read_text()}\nKBUILD_VMLINUX_OBJS := fs/built-in.a\n{objtool}{SEPARATE}")
    (tree.path / "scripts/Makefile.build").write_text("define rule_cc_o_c\n\t$(call cmd,objtool)\nendef\n")
    (tmp_path / "commands").mkdir()
    plain, excepted = Kbuild(tree).commands(["fs/open.o", "fs/namei.o"])
    compiler = ("gcc", "-DKBUILD_MODFILE=fs/open.o", "-c", "-o", "fs/open.o", "fs/open.c")
    assert plain.commands == (compiler, ("./objtool", "orc", "generate", "fs/open.o"))[: 1 + configured]
    assert len(excepted.commands) == 1
