"""Layouts of types: read from what the compiler writes, and compared."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from kpatch.diff.layout import compare_layouts
from kpatch.elf.btf import read_btf
from kpatch.elf.dwarf import read_dwarf
from kpatch.elf.layouts import Layouts
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput
from tests.fuzz.damage import damage

SOURCE = """
struct item {
    char a; int b:3; int c:5;
    union { long q; struct { short r, s; }; };
    struct { int z; } named;
    const int arr[3][2];
    void *p;
    struct item *next;
};
enum kind { FIRST, SECOND = -7, THIRD };
typedef struct item item_t;
typedef struct { int here; } unnamed_t;
int use(item_t *i, enum kind k, union { int x; } *u, unnamed_t *n) { i->a = k; return i->c + n->here; }
"""


def build(tmp_path: Path, text: str, *options: str) -> Path:
    (tmp_path / "x.c").write_text(text)
    out = tmp_path / f"x{len(list(tmp_path.iterdir()))}.o"
    subprocess.run(["gcc", "-w", "-c", *options, "-o", out, tmp_path / "x.c"], check=True)
    return out


def btf(tmp_path: Path, text: str) -> bytes:
    section = ElfObject.read(build(tmp_path, text, "-gbtf")).section(".BTF")
    assert section is not None
    return section.data


def test_btf_and_dwarf_say_the_same(tmp_path: Path) -> None:
    layouts = read_btf(btf(tmp_path, SOURCE))
    places = {member.name: (member.offset, member.size) for member in layouts.types["struct item"].members}
    assert places == {
        "a": (0, 8),
        "b": (8, 3),
        "c": (11, 5),
        "q": (64, 64),
        "r": (64, 16),
        "s": (80, 16),
        "named.z": (128, 32),
        "arr": (160, 192),
        "p": (384, 64),
        "next": (448, 64),
    }
    assert layouts.constants == {"FIRST": 0, "SECOND": -7, "THIRD": -6}
    for version in ("-gdwarf-3", "-gdwarf-4", "-gdwarf-5"):
        assert read_dwarf(build(tmp_path, SOURCE, version)) == layouts


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("union { long", "char hole; union { long", r"struct item.*new member hole at byte 2 in what was padding"),
        ("void *p;", "void *p; int more;", r"new member more at byte 56, size 64 to 72 bytes"),
        ("char a;", "long a;", r"struct item.*a takes 64 bits|moves"),
        ("int c:5;", "int c:6;", r"c takes 6 bits instead of 5"),
        ("short r, s;", "short s, r;", r"member r moves from byte 8 to byte 10"),
        ("void *p;", "", r"member p is gone"),
        ("int here;", "int before, here;", r"layout of unnamed_t changes: new member before"),
        ("SECOND = -7", "SECOND = 3", r"enum constant SECOND changes from -7 to 3"),
    ],
)
def test_a_change_is_told_and_can_be_allowed(tmp_path: Path, old: str, new: str, what: str) -> None:
    before, after = (read_btf(btf(tmp_path, text)) for text in (SOURCE, SOURCE.replace(old, new)))
    refusals = compare_layouts(before, after)
    assert {refusal.code for refusal in refusals} == {"changed-layout"}
    assert any(re.search(what, refusal.message) for refusal in refusals)
    assert compare_layouts(before, after, [refusal.symbol for refusal in refusals]) == []


def test_the_same_or_a_new_type_is_no_change(tmp_path: Path) -> None:
    before = read_btf(btf(tmp_path, SOURCE))
    more = "struct fresh { int a; };\nint more(struct fresh *f, enum { LATER } l) { return f->a; }\n"
    assert compare_layouts(before, before) == []
    assert compare_layouts(before, read_btf(btf(tmp_path, SOURCE + more))) == []


def test_damaged_type_information_is_an_error(tmp_path: Path) -> None:
    data = btf(tmp_path, SOURCE)
    for length in range(len(data)):
        try:
            assert isinstance(read_btf(data[:length]), Layouts)
        except BadInput as error:
            assert "damaged" in str(error)
    with pytest.raises(BadInput):
        read_btf(b"")


def test_damaged_debug_information_is_an_error(tmp_path: Path) -> None:
    whole = build(tmp_path, SOURCE, "-g").read_bytes()
    damaged, rng, told = tmp_path / "damaged.o", random.Random(1), 0
    for _ in range(150):
        data = bytearray(damage(whole, rng))
        for at in rng.sample(range(len(data)), min(3, len(data))):
            data[at] = rng.getrandbits(8)
        damaged.write_bytes(data)
        try:
            read_dwarf(damaged)
        except BadInput as error:
            told += "damaged" in str(error)
    assert told > 20
