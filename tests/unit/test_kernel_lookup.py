"""Addresses and positions of symbols from what a user has: which one of several namesakes is meant."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Section, Symbol
from kpatch.errors import BadInput
from kpatch.kernel.listing import Listing, read_listing
from kpatch.kernel.lookup import Found, find_all

#: file, then its local names with their addresses; the last row holds the global ones
_BLOCKS = [
    ("probe.c", {"init": 0x40, "reset": 0x50}),
    ("probe.c", {"init": 0x30, "start": 0x60, "of_assembler": 0x68}),
    ("other.c", {"init": 0x10, "start": 0x70}),
]
_GLOBALS = {"visible": 0x80, "start": 0x90}


def _listing() -> Listing:
    listing = Listing()
    for file, names in _BLOCKS:
        listing.add_file(file)
        for name, address in names.items():
            listing.add(name, address, False)
    for name, address in _GLOBALS.items():
        listing.add(name, address, True)
    listing.sort()
    return listing


def _object(file: str, *names: str, visible: tuple[str, ...] = ()) -> ElfObject:
    obj = ElfObject(c.EM_X86_64)
    obj.add_symbol(Symbol(file, type=c.STT_FILE, shndx=c.SHN_ABS))
    text = obj.add_section(Section(".text", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=bytes(64)))
    for name in (*names, *visible):
        bind = c.STB_GLOBAL if name in visible else c.STB_LOCAL
        obj.add_symbol(Symbol(name, text, 0, 4, bind, c.STT_FUNC))
    return obj


def _find(obj: ElfObject, *names: str) -> tuple[dict[str, Found], list[str]]:
    return find_all(names, obj, [_listing()])


def test_the_source_file_and_its_other_locals_tell_namesakes_apart() -> None:
    assert _find(_object("probe.c", "init", "start"), "init") == ({"init": Found(0x30, 2)}, [])
    assert _find(_object("probe.c", "init", "reset"), "init") == ({"init": Found(0x40, 3)}, [])
    assert _find(_object("other.c", "init"), "init") == ({"init": Found(0x10, 1)}, [])


def test_two_files_that_fit_or_none_leave_it_open() -> None:
    assert _find(_object("probe.c", "init"), "init") == ({}, ["init"])
    assert _find(_object("probe.c", "init", "gone"), "init") == ({}, ["init"])
    assert _find(_object("third.c", "init", "start"), "init") == ({}, ["init"])


def test_names_that_differ_from_build_to_build_do_not_count() -> None:
    obj = _object("probe.c", "init", "start", "part.isra.0", "__UNIQUE_ID_note7", "__pfx_init")
    assert _find(obj, "init") == ({"init": Found(0x30, 2)}, [])


def test_a_local_symbol_is_never_the_global_one_of_its_name() -> None:
    assert _find(_object("probe.c", "visible"), "visible") == ({}, ["visible"])
    assert _find(_object("probe.c", "init", "start"), "start") == ({"start": Found(0x60, 1)}, [])
    assert _find(_object("probe.c"), "start", "visible") == ({"start": Found(0x90, 3), "visible": Found(0x80, 0)}, [])
    assert _find(_object("probe.c", visible=("start",)), "start") == ({"start": Found(0x90, 3)}, [])


def test_what_a_module_defines_is_not_looked_for_in_the_kernel(tmp_path: Path) -> None:
    names = tmp_path / "kallsyms"
    names.write_text(
        "ffffffff81000000 t probe\nffffffff81000100 T visible\nffffffffc0000000 t probe\t[a_module]\n"
        "ffffffffc0000100 t other\t[b_module]\n"
    )
    obj = _object("probe.c", "probe", "other")
    own = read_listing(names, "a-module")
    assert find_all(["probe", "other", "visible"], obj, own) == (
        {"probe": Found(0xFFFFFFFFC0000000, 0), "visible": Found(0xFFFFFFFF81000100, 0)},
        ["other"],
    )
    assert find_all(["probe"], obj, read_listing(names, "c_module")) == ({}, ["probe"])
    assert find_all(["probe"], obj, read_listing(names, "vmlinux"))[0] == {"probe": Found(0xFFFFFFFF81000000, 0)}


def test_namesakes_in_a_module_count_in_the_order_of_its_symbol_table(tmp_path: Path) -> None:
    module = ElfObject(c.EM_X86_64)
    for file, offset in (("one.c", 32), ("two.c", 0)):
        module.add_symbol(Symbol(file, type=c.STT_FILE, shndx=c.SHN_ABS))
        text = Section(f".text.{file}", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=bytes(64))
        module.sections.append(text)
        module.add_symbol(Symbol("init", text, offset, 4, type=c.STT_FUNC))
    (tmp_path / "a.ko").write_bytes(module.to_bytes())
    listings = read_listing(tmp_path / "a.ko", "a")
    assert find_all(["init"], _object("two.c", "init"), listings) == ({"init": Found(0, 2)}, [])


_READELF = """
Symbol table '.symtab' contains 9 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FILE    LOCAL  DEFAULT  ABS one.c
     2: ffffffff81000020    16 FUNC    LOCAL  DEFAULT    1 init
     3: 0000000000000000     0 SECTION LOCAL  DEFAULT    1 .text
     4: 0000000000000000     0 FILE    LOCAL  DEFAULT  ABS two.c
     5: ffffffff81000010 0x1869f FUNC    LOCAL  DEFAULT    1 init
     6: ffffffff81000000    16 FUNC    GLOBAL DEFAULT    1 shared
     7: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND missing
     8: 000000000001a000     8 OBJECT  WEAK   DEFAULT   20 hits
"""


def test_text_of_readelf(tmp_path: Path) -> None:
    names = tmp_path / "vmlinux.symtab"
    names.write_text(_READELF)
    obj = _object("two.c", "init")
    found, unknown = find_all(["init", "shared", "hits", "missing"], obj, read_listing(names, "vmlinux"))
    assert found == {
        "init": Found(0xFFFFFFFF81000010, 1),
        "shared": Found(0xFFFFFFFF81000000, 0),
        "hits": Found(0x1A000, 0),
    }
    assert unknown == ["missing"]
    assert find_all(["init"], obj, read_listing(names, "a_module"))[0] == {"init": Found(0xFFFFFFFF81000010, 2)}


@pytest.mark.skipif(not shutil.which("ld"), reason="needs binutils")
def test_a_linked_image_is_read_with_its_source_files(tmp_path: Path) -> None:
    for file in ("one.c", "two.c"):
        made = _object(file, "init", f"only_in_{file[:3]}")
        (tmp_path / f"{file}.o").write_bytes(made.to_bytes())
    command = ["ld", "-e", "0", "-Ttext=0xffffffff81000000", "-o", "vmlinux", "two.c.o", "one.c.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    listings = read_listing(tmp_path / "vmlinux", "vmlinux")
    found, _ = find_all(["init"], _object("one.c", "init", "only_in_one"), listings)
    assert found == {"init": Found(0xFFFFFFFF81000040, 2)}


@pytest.mark.parametrize(
    "text", ["", "no list\n", "\n\n", "Symbol table '.symtab' contains 1 entries:\n 1: x 0 FUNC G D 1 a\n"]
)
def test_anything_else_is_bad_input(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names"
    path.write_text(text)
    with pytest.raises(BadInput, match="names"):
        read_listing(path, "vmlinux")
