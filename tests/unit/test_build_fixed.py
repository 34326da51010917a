"""Code that cannot be patched must come out of the compiler as before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from kpatch.build.affected import Affected
from kpatch.build.compile import preprocess
from kpatch.build.fixed import check_fixed
from kpatch.errors import Unpatchable
from kpatch.kernel.buildroot import HOST
from kpatch.kernel.kbuild import Kbuild, ObjectCommand
from tests.unit.mini_source import make_tree

SOURCE = '#include "h.h"\n#ifdef OTHER\nint b = VALUE;\n#endif\n'


class Recorded(Kbuild):
    """A kbuild that has compiled everything: ``-S`` for generators of headers, ``-c`` for the rest."""

    def commands(self, targets: Sequence[str], jobs: int = 1) -> list[ObjectCommand]:
        return [self._recorded(target) for target in targets]

    def _recorded(self, target: str) -> ObjectCommand:
        kind = "-S" if target.endswith(".s") else "-c"
        argv = ("gcc", "-Ilib", kind, "-o", target, "lib/x.c")
        return ObjectCommand(target, (argv,), frozenset({"lib/x.c", "lib/h.h"}), None, HOST)


def sources(top: Path, header: str, source: str = SOURCE) -> Path:
    (top / "lib").mkdir(parents=True, exist_ok=True)
    (top / "lib/h.h").write_text(header)
    (top / "lib/x.c").write_text(source)
    return top


@pytest.fixture
def kbuild(tmp_path: Path) -> Recorded:
    tree = make_tree(tmp_path / "home")
    sources(tree.path, "#define VALUE 1\n")
    return Recorded(tree)


def check(kbuild: Recorded, view: Path, unit: Affected) -> None:
    check_fixed([unit], kbuild, view, view, 1)


def test_the_same_text_is_told_from_another(kbuild: Recorded, tmp_path: Path) -> None:
    command = kbuild.command("lib/x.o")
    before = preprocess(command, kbuild.tree.path)
    assert before == preprocess(command, sources(tmp_path / "same", "/* new */\n#define VALUE 2\n"))
    assert before != preprocess(command, sources(tmp_path / "other", "#define OTHER\n#define VALUE 1\n"))
    assert preprocess(command, sources(tmp_path / "broken", "#error no\n")) is None


@pytest.mark.parametrize("kind", ["vdso", "assembler", "generated"])
def test_another_text_is_refused(kbuild: Recorded, tmp_path: Path, kind: str) -> None:
    unit = Affected("lib/x.o", kind, ("lib/h.h",))
    if kind == "generated":
        unit = Affected("lib/x.s", kind, ("lib/h.h",))
        marks = '#include "h.h"\nvoid f(void) { __asm__(".ascii \\"->%c0\\"" : : "i"(VALUE)); }\n'
        sources(kbuild.tree.path, "#define VALUE 1\n", marks)
        check(kbuild, sources(tmp_path / "same", "#define VALUE 1\nint more;\n", marks), unit)
        view = sources(tmp_path / "other", "#define VALUE 2\n", marks)
    else:
        view = sources(tmp_path / "other", "#define OTHER\n#define VALUE 1\n")
    with pytest.raises(Unpatchable, match=r"lib/h\.h(.|\n)*lib/x"):
        check(kbuild, view, unit)


def test_what_does_not_read_the_header_may_be_anything(kbuild: Recorded, tmp_path: Path) -> None:
    view = sources(tmp_path / "other", "#define OTHER\n#define VALUE 1\n")
    check(kbuild, view, Affected("lib/x.o", "assembler", ("lib/unread.h",)))
