"""The sections of a patch module, read back as kmod/patch/kpatch-patch.h lays them out."""

from __future__ import annotations

import struct

import pytest

from kpatch.build.match import Match, MatchedFunction
from kpatch.build.sections import BuildIdentity, FunctionTable, checksum, first_object, last_object
from kpatch.diff.result import ChangedFunction
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import MismatchError, Unpatchable

IDENTITY = BuildIdentity("6.1.0-1", "#1 SMP", b"\x01\x02\x03", 0xFFFFFFFF81000100, 64)


def anchor_of(obj: ElfObject) -> object:
    anchor = obj.add_symbol(Symbol("exported", bind=c.STB_GLOBAL))
    return lambda offset, type, address: Reloc(offset, type, anchor, address - 0xFFFFFFFF81000000)


def out_object() -> ElfObject:
    obj = ElfObject(c.EM_X86_64)
    text = obj.add_section(Section(".text.show", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=b"\x90" * 32))
    obj.add_symbol(Symbol("show", text, 0, 32, type=c.STT_FUNC))
    cold = obj.add_section(Section(".text.unlikely.show", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=b"\x90" * 8))
    obj.add_symbol(Symbol("show.cold", cold, 0, 8, type=c.STT_FUNC))
    return obj


MATCH = Match(
    functions={
        "show": MatchedFunction(0xFFFFFFFF81000010, 30, 2, True),
        "show.cold": MatchedFunction(0xFFFFFFFF81000900, 9, 0, True),
    }
)


def text_at(obj: ElfObject, reloc: Reloc) -> bytes:
    assert reloc.symbol.section is not None
    data = reloc.symbol.section.data
    return data[reloc.addend : data.index(b"\0", reloc.addend)]


def test_a_replaced_function_and_its_cold_part() -> None:
    obj, table = out_object(), FunctionTable()
    functions = [
        ChangedFunction("show", 30, 32, "show"),
        ChangedFunction("show.cold", 9, 8, "show.cold", redirected=False),
    ]
    table.add(obj, functions, "vmlinux", MATCH, anchor_of(obj))  # type: ignore[arg-type]
    obj = ElfObject.parse(obj.to_bytes())
    section = obj.section(".kpatch.funcs")
    assert section is not None and section.size == 2 * 56 and section.flags == c.SHF_ALLOC
    entries = [struct.unpack_from("<QQQQIIIIQ", section.data, at) for at in (0, 56)]
    assert [entry[4:] for entry in entries] == [(32, 30, 2, 0, 0), (8, 9, 0, 2, 0)]
    relocs = {reloc.offset: reloc for reloc in section.relocs}
    assert relocs[0].symbol.name == "show"
    assert (relocs[8].symbol.name, relocs[8].addend) == ("exported", 0x10)
    assert text_at(obj, relocs[16]) == b"show"
    assert text_at(obj, relocs[24]) == b"vmlinux"
    assert relocs[56].symbol.name == "show.cold"
    assert {reloc.type for reloc in section.relocs} == {1}
    targets = [obj.symbol(f"kpatch_new_{number}") for number in (0, 1)]
    assert all(target is not None and target.bind == c.STB_GLOBAL for target in targets)


def test_a_part_that_is_gone_has_no_new_address() -> None:
    obj, table = out_object(), FunctionTable()
    functions = [ChangedFunction("show", 30, 32, "show"), ChangedFunction("show.cold", 9, 0, "", redirected=False)]
    table.add(obj, functions, "vmlinux", MATCH, anchor_of(obj))  # type: ignore[arg-type]
    section = obj.section(".kpatch.funcs")
    assert section is not None and 56 not in {reloc.offset for reloc in section.relocs}
    assert table.count == 2


def test_a_forced_function_is_flagged() -> None:
    obj, table = out_object(), FunctionTable()
    table.add(obj, [ChangedFunction("show", 30, 32, "show", force=True)], "vmlinux", MATCH, anchor_of(obj))  # type: ignore[arg-type]
    section = obj.section(".kpatch.funcs")
    assert section is not None and struct.unpack_from("<I", section.data, 44) == (1,)


def test_a_function_that_the_vendor_did_not_ship_is_refused() -> None:
    obj = out_object()
    with pytest.raises(MismatchError, match="show"):
        FunctionTable().add(obj, [ChangedFunction("show", 1, 1, "show")], "vmlinux", Match(), anchor_of(obj))  # type: ignore[arg-type]


def test_a_part_without_its_function_is_refused() -> None:
    obj = out_object()
    part = ChangedFunction("show.cold", 9, 0, "", redirected=False)
    with pytest.raises(Unpatchable):
        FunctionTable().add(obj, [part], "vmlinux", MATCH, anchor_of(obj))  # type: ignore[arg-type]


def test_the_build_and_the_bounds() -> None:
    first = first_object(c.EM_X86_64)
    wanted = [("kpatch_name", "x"), ("import_ns", "A"), ("import_ns", "B")]
    last = last_object(c.EM_X86_64, IDENTITY, wanted, True, anchor_of)  # type: ignore[arg-type]
    build = last.section(".kpatch.build")
    assert build is not None
    assert struct.unpack_from("<QQQQIIQ", build.data)[4:] == (3, 64, 0)
    relocs = {reloc.offset: reloc for reloc in build.relocs}
    assert text_at(last, relocs[0]) == b"6.1.0-1"
    assert text_at(last, relocs[8]) == b"#1 SMP"
    assert relocs[16].symbol.section is not None
    assert relocs[16].symbol.section.data[relocs[16].addend :][:3] == b"\x01\x02\x03"
    assert (relocs[24].symbol.name, relocs[24].addend) == ("exported", 0x100)
    flags = last.symbol("kpatch_flags")
    assert flags is not None and struct.unpack_from("<I", build.data, flags.value) == (1,)
    info = last.section(".modinfo")
    assert info is not None and info.data == b"kpatch_name=x\0import_ns=A\0import_ns=B\0"
    kinds = ("pre_patch", "post_patch", "pre_unpatch", "post_unpatch")
    for table in ("funcs", "relocs", "objects", *(f"callbacks_{kind}" for kind in kinds)):
        start, end = first.symbol(f"kpatch_{table}"), last.symbol(f"kpatch_{table}_end")
        assert start and start.section and end and end.section
        assert start.section.name == end.section.name == f".kpatch.{table.replace('_', '.', 1)}"


def test_an_unknown_build_id_is_left_empty() -> None:
    identity = BuildIdentity("6.1.0-1", "#1 SMP", b"", 0, 64)
    last = last_object(c.EM_X86_64, identity, [], False, anchor_of)  # type: ignore[arg-type]
    build = last.section(".kpatch.build")
    assert build is not None and {reloc.offset for reloc in build.relocs} == {0, 8}
    assert struct.unpack_from("<QQQQIIQI", build.data)[4:] == (0, 0, 0, 0)


def test_the_checksum_depends_on_where_objects_end() -> None:
    assert checksum([b"ab", b"c"]) != checksum([b"a", b"bc"])
    assert len(checksum([])) == 64
