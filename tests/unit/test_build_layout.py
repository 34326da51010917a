"""What is told of types when a header reaches too many objects to compile them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.build.affected import Affected
from kpatch.build.layout import check_own_layouts
from kpatch.build.patchset import PatchedFiles
from kpatch.errors import BadInput, Unpatchable
from kpatch.kernel.buildroot import HOST
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from tests.unit.mini_source import make_tree

HEADER = "struct item { int a; };\n"
SOURCE = '#include "x.h"\nint use(struct item *i) { return i->a; }\n'


class OneCommand(Kbuild):
    """Compiles fs/x.c without asking make."""

    def commands(self, targets: object, jobs: int = 1) -> list[ObjectCommand]:
        return [ObjectCommand("fs/x.o", (("gcc", "-c", "-o", "fs/x.o", "fs/x.c"),), frozenset(), None, HOST)]


def check(home: Path, header: str, source: str = SOURCE, allowed: tuple[str, ...] = ()) -> None:
    kbuild = OneCommand(make_tree(home))
    top = home / "patched"
    for place, text in ((kbuild.tree.path, (HEADER, SOURCE)), (top, (header, source))):
        (place / "fs").mkdir(parents=True, exist_ok=True)
        (place / "fs/x.h").write_text(text[0])
        (place / "fs/x.c").write_text(text[1])
    files = PatchedFiles(top, ("fs/x.c", "fs/x.h"), ())
    check_own_layouts([Affected("fs/x.o", "vmlinux", ("fs/x.c",))], files, kbuild, home / "work", allowed)


def test_a_changed_type_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(Unpatchable, match=r"fs/x\.o: the layout of struct item changes: new member b"):
        check(tmp_path, "struct item { int a, b; };\n")


def test_an_allowed_type_and_a_new_one_are_no_reason(tmp_path: Path) -> None:
    check(tmp_path, "struct item { int a, b; };\nstruct other { int c; };\n", allowed=("item",))


def test_what_does_not_compile_is_told_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"fs/x\.c does not compile(.|\n)*has no member named"):
        check(tmp_path, HEADER, SOURCE.replace("i->a", "i->c"))
