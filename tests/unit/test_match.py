"""Vendor match on a kernel that is compiled and linked here."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.arch.x86_64 import X86_64
from kpatch.build.decode import Difference, Pairing, pair_up
from kpatch.build.match import match_object
from kpatch.errors import BadInput, MismatchError
from tests.unit import tiny_kernel

ALL = {"twin", "own", "put", "tail", "user", "branching", "loop"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tiny_kernel.Tiny:
    return tiny_kernel.build(tmp_path_factory.mktemp("tiny"))


def test_every_function_is_found_where_the_linker_put_it(tiny: tiny_kernel.Tiny) -> None:
    match = match_object(tiny.original, tiny.image, tiny.symbols, functions=ALL)
    for name in ALL - {"twin"}:
        symbol = tiny.symbols.unique(name)
        assert symbol and match.functions[name].address == symbol.address, name
    assert set(match.failures) == {"overridden"}, "the weak definition lost to another one"


def test_fields_tell_the_addresses_of_local_and_global_data(tiny: tiny_kernel.Tiny) -> None:
    match = match_object(tiny.original, tiny.image, tiny.symbols, functions=ALL)
    for name in ("table", "hidden", "exported", "hidden_function"):
        symbol = tiny.symbols.unique(name)
        assert symbol and match.addresses[name] == symbol.address, name
    ours, theirs = match.addresses["counter"], [symbol.address for symbol in tiny.symbols.named("counter")]
    assert len(theirs) == 2 and ours in theirs
    other = tiny.symbols.unique("other_user")
    assert other and ours.to_bytes(8, "little")[:4] not in bytes(tiny.image.read_at(other.address, 32))


def test_a_twin_with_the_same_code_is_told_by_who_calls_it(tiny: tiny_kernel.Tiny) -> None:
    match = match_object(tiny.original, tiny.image, tiny.symbols, functions=ALL)
    twins = tiny.symbols.named("twin")
    user = tiny.symbols.unique("user")
    assert len(twins) == 2 and user
    ours = min(twins, key=lambda twin: abs(twin.address - user.address))
    assert match.functions["twin"].address == ours.address
    assert match.functions["twin"].sympos == tiny.symbols.position(ours) > 0


def test_short_jumps_and_switched_off_jump_labels_mean_the_same(tiny: tiny_kernel.Tiny) -> None:
    match = match_object(tiny.original, tiny.image, tiny.symbols, functions=ALL)
    assert not match.functions["branching"].exact, "the image has a nop where the object jumps"
    assert not match.functions["tail"].exact, "the image jumps in two bytes, the object in five"
    assert match.functions["user"].exact


@pytest.mark.parametrize(
    ("change", "function", "text"),
    [
        (("CONSTANT", "CONSTANT + 1"), "user", "first difference at +0x"),
        (('"hello"', '"jello"'), "user", "string 'jello' changed: 'hello'"),
        (("own(value) - 5", "own(value) - 6"), "branching", "first difference"),
        (("counter += value;", ""), "own", "first difference"),
        (("hidden += 2;", "hidden += 3;"), "put", "first difference"),
        (("at < count", "at <= count"), "loop", "first difference"),
        (("int tail(", "int head("), "head", "has no symbol of this name"),
    ],
)
def test_other_source_is_a_mismatch_that_names_the_function(
    change: tuple[str, str], function: str, text: str, tiny: tiny_kernel.Tiny, tmp_path: Path
) -> None:
    source = tiny_kernel.MAIN.replace(*change)
    flags = ["-DCONSTANT=3", "-DWEAK=2", "-ffunction-sections", "-fdata-sections"]
    changed = tiny_kernel.compile_object(source, tmp_path / "changed.o", *flags)
    with pytest.raises(MismatchError) as caught:
        match_object(changed, tiny.image, tiny.symbols, functions=[function])
    assert function in caught.value.message and text in caught.value.message
    assert caught.value.hint and "compiler" in caught.value.hint
    match_object(changed, tiny.image, tiny.symbols, functions=["own" if function != "own" else "put"])


def test_data_swapped_for_other_data_is_a_mismatch(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    source = tiny_kernel.MAIN.replace("hidden_function(&hidden)", "hidden_function(&counter)")
    flags = ["-DCONSTANT=3", "-DWEAK=2", "-ffunction-sections", "-fdata-sections"]
    changed = tiny_kernel.compile_object(source, tmp_path / "changed.o", *flags)
    with pytest.raises(MismatchError, match=r"put: .*counter"):
        match_object(changed, tiny.image, tiny.symbols, functions=["put", "own"])


def test_a_shipped_function_that_goes_on_is_a_mismatch(tiny: tiny_kernel.Tiny, tmp_path: Path) -> None:
    source = tiny_kernel.MAIN.replace("if (value) return put(value); return 0;", "return put(value);")
    flags = ["-DCONSTANT=3", "-DWEAK=2", "-ffunction-sections", "-fdata-sections"]
    changed = tiny_kernel.compile_object(source, tmp_path / "changed.o", *flags)
    with pytest.raises(MismatchError, match="tail"):
        match_object(changed, tiny.image, tiny.symbols, functions=["tail"])


ONE_SECTION = r"""
#define OWN __attribute__((section(".sched.text"), noinline, noclone, noipa))
static OWN int first(int value) { return value + 1; }
static OWN int second(int value) { return value + 2; }
OWN int caller(int value) { return CALLED(value) + 1; }
OWN int jumper(int value) { if (value) return CALLED(value); return 7; }
int (*const used[])(int) = {first, second};
"""


def test_calls_that_the_assembler_resolved_inside_one_section_count(tmp_path: Path) -> None:
    tiny = tiny_kernel.build(tmp_path, source=ONE_SECTION, vendor="-DCALLED=first", own="-DCALLED=first")
    match = match_object(tiny.original, tiny.image, tiny.symbols)
    assert len(match.functions) == 4 and not match.failures
    flags = ["-DCALLED=second", "-ffunction-sections"]
    changed = tiny_kernel.compile_object(ONE_SECTION, tmp_path / "changed.o", *flags)
    assert changed.section(".sched.text") and not any(
        section.relocs for section in changed.sections if section.is_text
    )
    for name in ("caller", "jumper"):
        with pytest.raises(MismatchError, match=name):
            match_object(changed, tiny.image, tiny.symbols, functions=[name])


COLD = r"""
#define noinline __attribute__((noinline, noclone, noipa))
extern int exported(const char *text, int value);
__attribute__((cold)) noinline int rare(int value) { return exported("rare", value); }
#ifdef VENDOR
#define PADDING ""
#else
#define PADDING ".nops 11\n"
#endif
int parent(int value)
{
	asm volatile(PADDING);
	if (value > 100)
		value = rare(value) + BACK;
	asm volatile("");
	return exported("parent", value) + 1;
}
"""


def test_the_name_of_the_top_directory_does_not_count(tmp_path: Path) -> None:
    """A vendor that builds outside of the tree has no ``./`` before the paths of headers (since 6.13)."""
    source = 'extern int exported(const char *, int);\nint warn(int v) { return exported("at " FILE_NAME ":1", v); }\n'
    names = [f'-DFILE_NAME="{name}"' for name in ("include/linux/a.h", "./include/linux/a.h", "./include/linux/b.h")]
    tiny = tiny_kernel.build(tmp_path, source=source, vendor=names[0], own=names[1])
    assert match_object(tiny.original, tiny.image, tiny.symbols).functions.keys() == {"warn"}
    other = tiny_kernel.compile_object(source, tmp_path / "other.o", names[2], "-ffunction-sections")
    with pytest.raises(MismatchError, match="string"):
        match_object(other, tiny.image, tiny.symbols)


def test_a_branch_into_the_middle_of_a_function_that_was_laid_out_differently(tmp_path: Path) -> None:
    """``foo.cold`` goes back into ``foo``, whose padding has another size in the image."""
    tiny = tiny_kernel.build(tmp_path, source=COLD, vendor="-DBACK=3", own="-DBACK=3")
    match = match_object(tiny.original, tiny.image, tiny.symbols)
    assert match.functions.keys() == {"rare", "parent", "parent.cold"}
    assert not match.functions["parent"].exact and not match.failures


def test_a_branch_to_another_place_in_the_middle_of_a_function_counts(tmp_path: Path) -> None:
    tiny = tiny_kernel.build(tmp_path, source=COLD, vendor="-DBACK=3", own="-DBACK=3")
    cold = next(section for section in tiny.original.sections if section.name == ".text.unlikely.parent")
    back = next(reloc for reloc in cold.relocs if reloc.symbol.section and reloc.symbol.section.name == ".text.parent")
    back.addend += 1
    with pytest.raises(MismatchError, match=r"parent\.cold: .*leads elsewhere"):
        match_object(tiny.original, tiny.image, tiny.symbols, functions=["parent.cold"])


def test_code_behind_what_the_disassembler_cannot_read_counts() -> None:
    serialize, jump, nop = bytes.fromhex("0f01e8"), bytes.fromhex("eb00"), b"\x90"
    same, other = bytes.fromhex("31c0c3"), bytes.fromhex("31dbc3")
    assert isinstance(
        pair_up(X86_64, jump + serialize + same, jump + nop + serialize + same, {}, frozenset()), Pairing
    )
    difference = pair_up(X86_64, jump + serialize + same, jump + nop + serialize + other, {}, frozenset())
    assert isinstance(difference, Difference) and "xor eax, eax" in difference.built


def test_a_branch_to_another_place_counts() -> None:
    nops, body = b"\x0f\x1f\x00", bytes.fromhex("31c0ffc0c3")
    assert isinstance(pair_up(X86_64, b"\xeb\x03" + nops + body, b"\xeb\x00" + body, {}, frozenset()), Pairing)
    assert isinstance(pair_up(X86_64, b"\xeb\x03" + nops + body, b"\xeb\x02" + body, {}, frozenset()), Difference)
    middle = pair_up(X86_64, b"\xeb\x00" + body, b"\xeb\x01" + body, {}, frozenset())
    assert isinstance(middle, Difference), "into the middle of an instruction"


def test_a_function_that_is_not_there_is_told(tiny: tiny_kernel.Tiny) -> None:
    with pytest.raises(BadInput, match="no function called nothing"):
        match_object(tiny.original, tiny.image, tiny.symbols, functions=["nothing"])
    with pytest.raises(MismatchError, match="overridden") as caught:
        match_object(tiny.original, tiny.image, tiny.symbols)
    assert caught.value.hint and "overridden is a weak function" in caught.value.hint
