"""Code of modules: what is found in the shipped .ko, what the core is told, and what is refused."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from kpatch.arch.x86_64 import X86_64
from kpatch.build.inmodule import ModuleCode, Place, match_module
from kpatch.build.loadtime import settle_load_time
from kpatch.build.match import Match
from kpatch.build.moduletables import add_relocs, objects_object
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput, MismatchError, Unpatchable
from kpatch.kernel.ksymtab import Export, Exports
from kpatch.kernel.modules import Modules, module_name
from kpatch.kernel.symbols import SymbolTable
from tests.unit import tiny_kernel

FIRST = r"""
#define noinline __attribute__((noinline, noclone, noipa))
static int state = 1;
static noinline int helper(void) { return ++state; }
int first(void) { return helper(); }
__attribute__((section(".init.text"))) int twin_at_start(void) { return 0; }
"""
MAIN = r"""
#define noinline __attribute__((noinline, noclone, noipa))
extern int exported(const char *text, int value), shared(int value), first(void);
static int state = 2;
static noinline int helper(int value) { state += value; return shared(state); }
int entry(int value) { return helper(value) + exported("entry", first()); }
"""
OTHER = r"""
int shared(int value) { return value; }
__asm__(".section __ksymtab, \"a\"\n__ksymtab_shared: .quad shared\n.previous");
"""
PATCH = r"""
extern int exported(const char *text, int value), shared(int value), first(void), hidden(void);
extern int state;
extern int helper(int value);
int entry(int value) { return helper(value) + exported("new", first()) + shared(1) + hidden() + *(&state + 0); }
"""
KERNEL = SymbolTable(["exported", "hidden"], [0xFFFFFFFF81000000, 0xFFFFFFFF81000100], "Tt")
EXPORTS = Exports([Export("exported", 0, "vmlinux", True, ""), Export("shared", 0, "drivers/other-one", False, "")])


class Shipped(NamedTuple):
    """Modules on disk, the code of one of them, and the rebuilt object."""

    modules: Modules
    code: ModuleCode
    original: ElfObject


def _module(directory: Path, name: str, *sources: str, depends: str = "", build_id: str = "--build-id=sha1") -> Path:
    objects = []
    for number, source in enumerate(sources):
        objects.append(directory / f"{name}-{number}.o")
        tiny_kernel.compile_object(source, objects[-1])
    info = f'__asm__(".section .modinfo, \\"a\\"\\n.asciz \\"depends={depends}\\"\\n.previous");'
    objects.append(directory / f"{name}-info.o")
    tiny_kernel.compile_object(info, objects[-1])
    path = directory / "kernel" / f"{name}.ko"
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["ld", "-r", build_id, "-o", path, *objects], check=True)
    return path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    directory = tmp_path_factory.mktemp("modules")
    _module(directory, "other-one", OTHER)
    _module(directory, "target", FIRST, MAIN, depends="other-one")
    modules = Modules([directory])
    original = tiny_kernel.compile_object(MAIN, directory / "main.o", "-ffunction-sections", "-fdata-sections")
    return Shipped(modules, ModuleCode("target", modules, EXPORTS, KERNEL), original)


def _match(shipped: Shipped) -> Match:
    return match_module(shipped.original, shipped.code.image, ["entry", "helper"])


def test_functions_have_the_rank_of_the_symbol_table(shipped: Shipped) -> None:
    match = _match(shipped)
    names = subprocess.run(["nm", "-p", shipped.code.image.where], check=True, capture_output=True, text=True)
    rows = [line.split() for line in names.stdout.splitlines() if line.endswith(" helper")]
    wanted = 1 + [
        shipped.code.image.locate(match.functions["helper"].address) == (".text", int(row[0], 16)) for row in rows
    ].index(True)
    assert len(rows) == 2 and match.functions["helper"].sympos == wanted
    assert match.functions["entry"].sympos == 0 and match.functions["entry"].size > 0


def test_each_reference_goes_where_its_symbol_is(shipped: Shipped, tmp_path: Path) -> None:
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o")
    before = {(s.name, r.offset): r for s in patch.sections for r in s.relocs}
    result, places = shipped.code.resolve(patch, shipped.original, _match(shipped), ())
    found = {(place.target.module, place.target.name, place.target.sympos) for place in places}
    helper, state = (shipped.code.image.kept(name) for name in ("helper", "state"))
    assert len(helper) == len(state) == 2
    assert found == {
        ("target", "helper", _match(shipped).functions["helper"].sympos),
        ("target", "state", 2),
        ("target", "first", 0),
        ("other_one", "shared", 0),
    }
    assert result.kept == ["exported"] and [symbol.name for symbol in result.anchored] == ["hidden"]
    assert {symbol.name for symbol in patch.symbols if symbol.is_undefined and symbol.name} == {"exported"}
    left = {(s.name, r.offset) for s in patch.sections for r in s.relocs}
    assert {(place.section.name, place.reloc.offset) for place in places} == set(before) - left


def test_a_name_that_no_shipped_code_tells_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    patch = tiny_kernel.compile_object(PATCH.replace("hidden()", "hidden() + gone()"), tmp_path / "patch.o", "-w")
    with pytest.raises(Unpatchable) as caught:
        shipped.code.resolve(patch, shipped.original, Match(), ())
    for text in ("helper (2 symbols of target", "state (2 symbols of target", "gone (not in"):
        assert text in caught.value.message
    assert "first" not in caught.value.message


def test_code_that_goes_when_the_module_has_started_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    source = "extern int twin_at_start(void); int entry(void) { return twin_at_start() + 1; }"
    patch = tiny_kernel.compile_object(source, tmp_path / "patch.o")
    with pytest.raises(Unpatchable, match="twin_at_start"):
        shipped.code.resolve(patch, shipped.original, _match(shipped), ())
    first = tiny_kernel.compile_object(FIRST, tmp_path / "first.o", "-ffunction-sections", "-fdata-sections")
    failures = match_module(first, shipped.code.image, ["first"]).failures
    assert "once the module has started" in failures["twin_at_start"]


def test_an_export_of_a_module_that_need_not_be_there_is_refused(shipped: Shipped, tmp_path: Path) -> None:
    exports = Exports([*EXPORTS, Export("stranger", 0, "net/stranger", False, "")])
    code = ModuleCode("target", shipped.modules, exports, KERNEL)
    patch = tiny_kernel.compile_object(
        "extern int stranger(void); int entry(void) { return stranger() + 1; }", tmp_path / "p.o"
    )
    with pytest.raises(Unpatchable, match="exported by stranger, which target does not load"):
        code.resolve(patch, shipped.original, _match(shipped), ())


def test_the_export_of_a_module_that_symvers_does_not_know(shipped: Shipped, tmp_path: Path) -> None:
    code = ModuleCode("target", shipped.modules, Exports([Export("exported", 0, "vmlinux", True, "")]), KERNEL)
    patch = tiny_kernel.compile_object(
        "extern int shared(int); int entry(void) { return shared(3) + 1; }", tmp_path / "p.o"
    )
    _, places = code.resolve(patch, shipped.original, _match(shipped), ())
    assert [place.target.module for place in places] == ["other_one"]


def test_other_code_than_the_shipped_is_a_mismatch(shipped: Shipped, tmp_path: Path) -> None:
    source = MAIN.replace("state += value", "state -= value")
    other = tiny_kernel.compile_object(source, tmp_path / "main.o", "-ffunction-sections", "-fdata-sections")
    with pytest.raises(MismatchError, match="helper"):
        match_module(other, shipped.code.image, ["helper"])


def test_the_tables_for_the_core(shipped: Shipped, tmp_path: Path) -> None:
    patch = tiny_kernel.compile_object(PATCH, tmp_path / "patch.o", "-ffunction-sections")
    _, places = shipped.code.resolve(patch, shipped.original, _match(shipped), ())
    add_relocs(patch, "target", places)
    again = ElfObject.parse(patch.to_bytes())
    table, strings = again.section(".kpatch.relocs"), again.section(".kpatch.strings")
    assert table and strings and table.size == 48 * len(places)
    relocs = {reloc.offset: reloc for reloc in table.relocs}
    for number, place in enumerate(places):
        at = 48 * number
        addend, sympos, kind = struct.unpack_from("<qII", table.data, at + 32)
        assert (addend, sympos, kind) == (place.reloc.addend, place.target.sympos, place.reloc.type)
        where = relocs[at]
        assert where.symbol.section and where.symbol.section.name == ".text.entry"
        assert where.symbol.value + where.addend == place.reloc.offset
        texts = [strings.data[relocs[at + slot].addend :].split(b"\0")[0].decode() for slot in (8, 16, 24)]
        assert texts == ["target", place.target.name, place.target.module]


def test_the_builds_of_the_modules(shipped: Shipped, tmp_path: Path) -> None:
    obj = ElfObject.parse(objects_object(62, ["other_one", "target"], shipped.modules).to_bytes())
    table, strings = obj.section(".kpatch.objects"), obj.section(".kpatch.strings")
    assert table and strings and table.size == 64
    relocs = {reloc.offset: reloc.addend for reloc in table.relocs}
    note = shipped.code.image.build_id
    assert note and strings.data[relocs[40] :].startswith(note) and strings.data[relocs[32] :].startswith(b"target\0")
    assert struct.unpack_from("<II", table.data, 48) == (20, 0)
    _module(tmp_path, "bare", OTHER, build_id="--build-id=none")
    with pytest.raises(BadInput, match="no build-id"):
        objects_object(62, ["bare"], Modules([tmp_path]))


def test_modules_are_found_by_the_kernels_name(shipped: Shipped, tmp_path: Path) -> None:
    assert shipped.modules.needs("target") == ["target", "other_one"]
    assert module_name("drivers/a-b/snd-hda.ko.xz") == "snd_hda" and module_name("net/x,y") == "x_y"
    with pytest.raises(BadInput, match="the module none is not in") as caught:
        shipped.modules.find("none")
    assert caught.value.hint and "--module" in caught.value.hint
    one = _module(tmp_path, "target", FIRST)
    assert Modules([one, *shipped.modules.places]).find("target") == one


SITES = r"""
extern int hidden(void);
int entry(void)
{
    asm goto("1: .byte 0xe9; .long %l[on] - . - 4\n.pushsection __jump_table, \"aw\"\n"
        ".long 1b - ., %l[on] - .\n.quad KEY - .\n.popsection" : : : : on);
    asm goto("1: .byte 0xe9; .long %l[on] - . - 4\n.pushsection __jump_table, \"aw\"\n"
        ".long 1b - ., %l[on] - .\n.quad own_key - .\n.popsection" : : : : on);
    asm volatile("1: call __SCT__ops\n.pushsection .static_call_sites, \"aw\"\n"
        ".long 1b - ., __SCK__ops - .\n.popsection");
    return 1;
on:
    return hidden();
}
int own_key;
"""


def _sites(tmp_path: Path, key: str) -> tuple[ElfObject, list[Place]]:
    module = "int KEY, __SCK__ops; int __SCT__ops(void) { return 0; }".replace("KEY", key)
    _module(tmp_path, "keys", module)
    code = ModuleCode("keys", Modules([tmp_path]), EXPORTS, KERNEL)
    patch = tiny_kernel.compile_object(SITES.replace("KEY", key), tmp_path / "sites.o")
    return patch, code.resolve(patch, patch, Match(), ())[1]


def test_a_tracepoint_of_a_module_becomes_a_nop(tmp_path: Path) -> None:
    patch, places = _sites(tmp_path, "__tracepoint_event")
    text = patch.section(".text")
    assert text and text.data.count(b"\x0f\x1f\x44\x00\x00") == 0
    done = settle_load_time(patch, X86_64, places)
    assert not done.failures and [place.target.name for place in done.places] == ["__SCT__ops"]
    assert len(done.warnings) == 1 and done.warnings[0].startswith("entry: __tracepoint_event")
    assert text.data.count(b"\x0f\x1f\x44\x00\x00") == 1 and text.data.count(b"\xe9") >= 1
    jumps, calls = patch.section("__jump_table"), patch.section(".static_call_sites")
    assert jumps and calls and jumps.size == 16 and calls.size == 0 and not calls.relocs
    assert [reloc.offset for reloc in jumps.relocs] == [0, 4, 8]
    assert [reloc.symbol.name for reloc in jumps.relocs][2] in ("own_key", "")


def test_another_key_of_a_module_is_refused(tmp_path: Path) -> None:
    patch, places = _sites(tmp_path, "some_key")
    (failure,) = settle_load_time(patch, X86_64, places).failures
    assert "some_key of module keys" in failure and "static_key_enabled()" in failure


def test_places_in_alternatives_are_refused(tmp_path: Path) -> None:
    source = r"""
    int entry(void)
    {
        asm volatile("661: call slow\n662:\n.pushsection .altinstructions, \"a\"\n.long 661b - ., 663f - .\n.word 1\n"
                     ".byte 662b - 661b, 664f - 663f\n.popsection\n.pushsection .altinstr_replacement, \"ax\"\n"
                     "663: call fast\n664:\n.popsection");
        asm volatile("call after");
        return 1;
    }
    """
    _module(
        tmp_path, "keys", "int slow(void) { return 0; } int fast(void) { return 1; } int after(void) { return 2; }"
    )
    code = ModuleCode("keys", Modules([tmp_path]), EXPORTS, KERNEL)
    patch = tiny_kernel.compile_object(source, tmp_path / "alternative.o")
    done = settle_load_time(patch, X86_64, code.resolve(patch, patch, Match(), ())[1])
    assert {failure.split()[0] for failure in done.failures} == {"slow", "fast"}
    assert [place.target.name for place in done.places] == ["after"]
