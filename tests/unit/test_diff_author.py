"""What kmod/patch/kpatch-macros.h leaves in an object, and what the differ makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kpatch.elf.object import ElfObject
from tests.golden.corpus import Item

CALLBACKS = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")


def _out(name: str, compiler: str = "gcc") -> ElfObject:
    out = Item(name, compiler).diff().out
    assert out is not None
    return out


def test_force_marks_the_function_and_its_parts() -> None:
    functions = Item("author-force", "gcc").diff().changed_functions
    assert {function.name: function.force for function in functions} == {"f": True, "f.cold": True}
    functions = Item("author-force-notrace", "gcc").diff().changed_functions
    assert {function.name: function.force for function in functions} == {"f": False, "helper": True}


def test_marks_stay_out_of_the_hot_patch() -> None:
    for name in ("author-force", "author-ignore-section", "author-ignore-function"):
        assert not [section.name for section in _out(name).sections if section.name.startswith(".kpatch")]


def test_each_callback_names_its_function_and_the_object() -> None:
    for compiler in ("gcc", "clang"):
        out = _out("author-callbacks", compiler)
        for kind in CALLBACKS:
            section = out.section(f".kpatch.callbacks.{kind}")
            assert section is not None and section.size == 16
            function, objname = section.relocs
            assert function.symbol.name == ("prepare" if kind == "pre_patch" else "finish")
            text = objname.symbol.section
            assert text is not None
            assert text.data[objname.symbol.value + objname.addend :].startswith(b"vmlinux\0")


def test_ignored_function_keeps_its_old_body() -> None:
    assert _out("author-ignore-function").symbol("setup") is None


def test_names_that_patches_for_other_builders_use(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    source = """
        #include "kernel.h"
        #include "kpatch-syscall.h"
        static int prepare(patch_object *object) { return 0; }
        KPATCH_PRE_PATCH_CALLBACK(prepare);
    """
    stubs = root / "tests/golden/src"
    includes = [f"-I{path}" for path in (stubs, stubs / "stubs", root / "kmod/patch")]
    command = ["gcc", "-x", "c", "-", "-c", "-o", str(tmp_path / "out.o"), "-include", "stddef.h", *includes]
    subprocess.run(command, input=source, text=True, check=True)
