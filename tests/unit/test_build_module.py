"""Names of patches, modpost's output taken apart, and the module put in place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kpatch.build.module import _ModSource, check_name, default_name, publish
from kpatch.errors import BadInput

MOD = """\
#include <linux/module.h>

MODULE_INFO(vermagic, VERMAGIC_STRING);

static const struct modversion_info ____versions[]
__used __section("__versions") = {
\t{ 0xbdfb6dbb, "__fentry__" },
\t{ 0x9060323f, "module_layout" },
};

MODULE_INFO(depends, "kpatch");
"""


@pytest.mark.parametrize("name", ["fix", "6_1_0-56-1-1", "a" * 48, "CVE-2024-1086"])
def test_names_that_a_module_can_have(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "a.b", "ä", "a" * 49, "_x"])
def test_names_that_it_cannot_have(name: str) -> None:
    with pytest.raises(BadInput):
        check_name(name)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("meminfo_string.patch", "meminfo-string"),
        ("fix a; b.diff", "fix-a-b"),
        (
            "0001-net-sched-sch_qfq-fix-a-use-after-free-of-the-classes.patch",
            "0001-net-sched-sch-qfq-fix-a-use-after-free-of-t",
        ),
        ("0001-net-sched-sch_qfq-fix-a-use-after-free-in.a_b.patch", "0001-net-sched-sch-qfq-fix-a-use-after-free-in"),
    ],
)
def test_a_diff_of_any_name_has_a_name_for_its_module(file: str, name: str) -> None:
    assert default_name(file) == name == check_name(name)


def test_a_mod_source_is_taken_apart() -> None:
    source = _ModSource.parse(MOD)
    assert source.versions == ((0xBDFB6DBB, "__fentry__"), (0x9060323F, "module_layout"))
    assert source.depends == "kpatch"
    assert "MODULE_INFO(vermagic, VERMAGIC_STRING);" in source.rest


def test_two_mod_sources_that_say_more_than_names_differ() -> None:
    other = MOD.replace("VERMAGIC_STRING);", 'VERMAGIC_STRING);\nMODULE_INFO(intree, "Y");')
    assert _ModSource.parse(other).rest != _ModSource.parse(MOD).rest
    renamed = MOD.replace("__fentry__", "_printk").replace("kpatch", "kpatch,ext4")
    assert _ModSource.parse(renamed).rest == _ModSource.parse(MOD).rest


def test_the_module_is_put_in_place_at_once(tmp_path: Path) -> None:
    (tmp_path / "built").write_bytes(b"new")
    (tmp_path / "x.ko").write_bytes(b"old")
    publish(tmp_path / "built", tmp_path / "x.ko")
    assert (tmp_path / "x.ko").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "x.ko"]


def test_nothing_is_left_behind_by_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "built").write_bytes(b"new")
    (tmp_path / "x.ko").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"x\.ko"):
        publish(tmp_path / "built", tmp_path / "x.ko")
    assert (tmp_path / "x.ko").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "x.ko"]
