"""What the parts of a module must be together, whatever each object is by itself."""

from __future__ import annotations

import pytest

from kpatch.build.affected import Affected
from kpatch.build.differences import Diffed
from kpatch.build.parts import check_callbacks
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject
from kpatch.errors import Unpatchable
from tests.golden.corpus import Item


def _unit(item: str, objname: str) -> Diffed:
    return Diffed(Affected("a/b.o", objname, ("a/b.c",)), ElfObject(c.EM_X86_64), Item(item, "gcc").diff())


def test_callbacks_need_a_function_of_their_object() -> None:
    alone = "author-callbacks-alone"
    check_callbacks([_unit("author-callbacks", "vmlinux")])
    check_callbacks([_unit(alone, "joydev"), _unit("author-force", "joydev")])
    for units in ([_unit(alone, "vmlinux")], [_unit(alone, "joydev"), _unit("author-callbacks", "vmlinux")]):
        with pytest.raises(Unpatchable, match="callbacks would never be called"):
            check_callbacks(units)


def test_an_object_has_one_callback_of_each_kind() -> None:
    one = _unit("author-callbacks", "vmlinux")
    check_callbacks([one, _unit("author-callbacks", "joydev")])
    twice = _unit("author-callbacks", "joydev")
    for section in twice.diff.out.sections if twice.diff.out else []:
        if section.name == ".kpatch.callbacks.post_patch":
            section.size = 32
    for units in ([one, _unit("author-callbacks", "vmlinux")], [one, twice]):
        with pytest.raises(Unpatchable, match=r"second \w+ callback"):
            check_callbacks(units)
