"""What must hold of every diff, on all golden objects and on variations of them that mean the same."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kpatch.arch.registry import machine_of
from kpatch.arch.x86_64 import X86_64
from kpatch.diff.api import diff_objects
from kpatch.diff.model import Body, Entity, Ref, View
from kpatch.diff.names import base_name
from kpatch.diff.result import DiffResult
from kpatch.diff.special import SpecialTables
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import BadInput
from tests.golden.corpus import Item, items

ITEMS = items()
CHANGED = [item for item in ITEMS if item.says("status") == "changed"]
#: whose instructions are other ones in the out object: test_diff_runtime_constant.py
REWRITTEN = [item for item in CHANGED if item.name == "runtime-constant"]
each_item = pytest.mark.parametrize("item", ITEMS, ids=str)
each_changed = pytest.mark.parametrize("item", CHANGED, ids=str)


def _out(item: Item) -> ElfObject:
    """What the differ wrote, read back from its bytes."""
    out = item.diff().out
    assert out is not None
    return ElfObject.parse(out.to_bytes())


def _view(obj: ElfObject) -> View:
    machine = machine_of(obj.machine)
    assert machine is not None
    return View(obj, machine)


@each_item
@pytest.mark.parametrize("side", ["original", "patched"])
def test_object_against_itself_is_unchanged(item: Item, side: str) -> None:
    data = item.object(side).read_bytes()
    result = diff_objects(ElfObject.parse(data), ElfObject.parse(data))
    assert (result.status, result.refusals, result.out) == ("unchanged", [], None)


@each_item
@pytest.mark.parametrize("side", ["original", "patched"])
def test_object_survives_writing_and_reading(item: Item, side: str) -> None:
    one = ElfObject.read(item.object(side))
    other = ElfObject.parse(one.to_bytes())
    assert [_shape(section) for section in one.sections] == [_shape(section) for section in other.sections]
    named = [[(s.name, s.value, s.size, s.bind, s.type) for s in obj.symbols if s.name] for obj in (one, other)]
    assert sorted(named[0]) == sorted(named[1])
    assert other.to_bytes() == one.to_bytes()


def _shape(section: Section) -> tuple[object, ...]:
    relocs = [
        (reloc.offset, reloc.type, reloc.symbol.name, reloc.symbol.section and reloc.symbol.section.name, reloc.addend)
        for reloc in section.relocs
    ]
    flags = section.flags & ~c.SHF_GROUP
    return section.name, section.type, flags, section.size, bytes(section.data), section.addralign, relocs


# -- what is in the out object ----------------------------------------------------------------


class _Meaning:
    """Compares what included code refers to with what the patched object's code refers to."""

    def __init__(self, item: Item, result: DiffResult) -> None:
        assert result.out is not None
        self.out = _view(ElfObject.parse(result.out.to_bytes()))
        self.patched = _view(item.read()[1])
        self.result = result
        self.defined = {entity.name: entity for entity in (*self.out.functions, *self.out.objects)}
        self.seen: set[tuple[int, int]] = set()

    def same_function(self, ours: Entity, theirs: Entity) -> None:
        body = self.out.body_of(ours)
        relocs = self.out.relocs_between(ours.section, ours.start, ours.end)
        biases = {reloc.offset - ours.start: self.out.bias(ours.section, reloc, ours.start) for reloc in relocs}
        refs = [
            (at, kind, ref._replace(offset=ref.offset + biases[at]) if ref.kind == "ext" else ref)
            for at, kind, ref in body.refs
        ]
        body_theirs = self.patched.body_of(theirs)
        refs_theirs = [
            (at, kind, ref._replace(offset=ref.offset + biases[at]) if ref.kind == "ext" else ref)
            for at, kind, ref in body_theirs.refs
        ]
        self.same_body(Body(body.data, refs), Body(body_theirs.data, refs_theirs), ours.name)

    def same_body(self, ours: Body, theirs: Body, where: str) -> None:
        assert ours.data == theirs.data, where
        assert [(at, kind) for at, kind, _ in ours.refs] == [(at, kind) for at, kind, _ in theirs.refs], where
        for (at, _, one), (_, _, other) in zip(ours.refs, theirs.refs):
            self.same_ref(one, other, f"{where}+{at:#x}")

    def same_ref(self, ours: Ref, theirs: Ref, where: str) -> None:
        target = theirs.target
        if theirs.kind == "str":
            assert isinstance(target, bytes)
            assert self._bytes(ours, len(target)) == target, where
        elif theirs.kind == "const":
            assert isinstance(target, bytes)
            assert self._bytes(ours._replace(offset=ours.offset - theirs.offset), len(target)) == target, where
        elif theirs.kind == "ext":
            assert (ours.kind, ours.target, ours.offset) == ("ext", target, theirs.offset), where
        elif isinstance(target, Entity):
            assert base_name(_name(ours)) == base_name(target.name), where
            assert ours.offset == theirs.offset, where
        elif isinstance(target, Section):
            assert isinstance(ours.target, (Section, Entity)), where
            self._same_place(ours, theirs, where)

    def _bytes(self, ref: Ref, size: int) -> bytes:
        section = ref.target if isinstance(ref.target, Section) else getattr(ref.target, "section", None)
        assert isinstance(section, Section)
        start = ref.offset + (ref.target.start if isinstance(ref.target, Entity) else 0)
        return bytes(section.data[start : start + size])

    def _same_place(self, ours: Ref, theirs: Ref, where: str) -> None:
        assert isinstance(theirs.target, Section) and isinstance(ours.target, Section), where
        if (id(ours.target), ours.offset) in self.seen:
            return
        self.seen.add((id(ours.target), ours.offset))
        assert ours.target.name == theirs.target.name, where
        if theirs.target.name == ".altinstr_replacement":
            return  # the entries tell what is copied of it: test_fragments_are_whole
        if theirs.target.name in self.out.machine.fragment_sections:
            one, other = (
                _fragment_body(view, ref.target, ref.offset)  # type: ignore[arg-type]
                for view, ref in ((self.out, ours), (self.patched, theirs))
            )
            self.same_body(one, other, where)
            return
        if theirs.target.name in self.out.machine.specials:
            one, other = (
                _entry_body(view, ref.target, ref.offset)  # type: ignore[arg-type]
                for view, ref in ((self.out, ours), (self.patched, theirs))
            )
            self.same_body(one, other, where)
            return
        start, stop = self.patched.pieces.piece(theirs.target, theirs.offset)
        first = ours.offset - (theirs.offset - start)
        one = self.out.body(ours.target, first, first + stop - start)
        self.same_body(one, self.patched.body(theirs.target, start, stop), ours.target.name)


def _entry_body(view: View, section: Section, offset: int) -> Body:
    entry = SpecialTables(view).entry_at(section, offset)
    assert entry is not None, f"{section.name}+{offset:#x}"
    return view.body(section, entry.start, entry.stop)


def _fragment_body(view: View, section: Section, offset: int) -> Body:
    return view.body(section, *SpecialTables(view).fragment(section, offset))


def _name(ref: Ref) -> str:
    return ref.target.name if isinstance(ref.target, Entity) else str(ref.target)


@pytest.mark.parametrize("item", [item for item in CHANGED if item not in REWRITTEN], ids=str)
def test_included_code_means_what_the_patched_code_means(item: Item) -> None:
    result = item.diff()
    meaning = _Meaning(item, result)
    by_name = {entity.name: entity for entity in meaning.patched.functions}
    by_base = {(base_name(entity.name), entity.size): entity for entity in meaning.patched.functions}
    found = 0
    for function in meaning.out.functions:
        theirs = by_name.get(function.name) or by_base[base_name(function.name), function.size]
        meaning.same_function(function, theirs)
        found += 1
    assert found >= len([f for f in result.changed_functions if f.symbol])


@each_changed
def test_calls_lead_to_new_bodies_and_pointers_to_the_originals(item: Item) -> None:
    result = item.diff()
    view = _view(_out(item))
    changed = {function.name for function in result.changed_functions}
    sealed = item.name.startswith("ibt-sealed")
    parts = {function.name for function in result.changed_functions if not function.redirected}
    assert not parts & set(result.references), "nothing redirects what enters an old part"
    for function in view.functions:
        body = view.body_of(function)
        for at, _, ref in body.refs:
            branch = view.machine.is_branch(body.data, at)
            if ref.kind == "ext" and ref.target in changed:
                assert not branch, f"{function.name} calls the old {ref.target}"
            if isinstance(ref.target, Entity) and ref.target.name in changed and not ref.offset and not sealed:
                assert branch or not ref.target.is_function, f"{function.name} points to the new {ref.target.name}"


@each_changed
def test_every_changed_function_is_redirected_or_entered_from_redirected_ones(item: Item) -> None:
    result = item.diff()
    original = _view(item.read()[0])
    changed = {function.name for function in result.changed_functions}
    parts = {function.name for function in result.changed_functions if not function.redirected}
    looked_up = {*original.machine.specials, "_kprobe_blacklist"}  # nobody calls what these refer to
    for section in original.obj.sections:
        if section.name in looked_up or not section.flags & c.SHF_ALLOC or section.name.startswith(".discard"):
            continue
        for reloc in section.relocs:
            ref = original.ref(section, reloc)
            if isinstance(ref.target, Entity) and ref.target.name in parts:
                user = original.entity_at(section, reloc.offset)
                if user is None:
                    continue  # a jump table: of the part's own family
                assert user.name in changed, f"{user.name} still enters the old {ref.target.name}"
    for function in result.changed_functions:
        if function.redirected:
            entity = next(entity for entity in original.functions if entity.name == function.name)
            head = [r.symbol.name for r in original.relocs_between(entity.section, entity.start, entity.start + 10)]
            assert "__fentry__" in head, f"{function.name} cannot be hooked"


@each_changed
def test_nothing_is_included_that_nothing_reaches(item: Item) -> None:
    out = _out(item)
    specials = _view(out).machine.specials
    reached = {section for section in out.sections if section.name.startswith((".kpatch.", ".modinfo"))}
    changed = {function.symbol for function in item.diff().changed_functions}
    reached |= {symbol.section for symbol in out.symbols if symbol.name in changed and symbol.section}
    tables = {section for section in out.sections if section.name in specials or section.name == ".orc_unwind"}
    todo = list(reached | tables)
    while todo:
        section = todo.pop()
        for reloc in section.relocs:
            target = reloc.symbol.section
            if target is not None and target not in reached:
                reached.add(target)
                todo.append(target)
    assert [section.name for section in out.sections if section not in reached | tables] == []
    used = {reloc.symbol for section in out.sections for reloc in section.relocs}
    assert [symbol.name for symbol in out.symbols if symbol.is_undefined and symbol not in used] == []
    for table in tables:
        sites = [reloc.symbol.section for reloc in table.relocs if reloc.offset % 4 == 0]
        assert table.name == ".orc_unwind" or all(site is None or site in out.sections for site in sites)


@each_changed
def test_fragments_are_whole(item: Item) -> None:
    """Replacements are as long in the out object as in the patched one, and hold the same code."""
    result = item.diff()
    out, patched = _view(_out(item)), _view(item.read()[1])
    table, theirs = out.obj.section(".altinstructions"), patched.obj.section(".altinstructions")
    if table is None or theirs is None:
        assert not result.special.get(".altinstructions")
        return
    size = table.size // result.special[".altinstructions"]
    at = {12: 11, 13: 11, 14: 13}[size]
    total = sum(table.data[start + at] for start in range(0, table.size, size))
    replacements = out.obj.section(".altinstr_replacement")
    assert (replacements.size if replacements else 0) == total


@each_changed
def test_what_need_not_be_there_still_need_not(item: Item) -> None:
    weak = {symbol.name for symbol in item.read()[1].symbols if symbol.is_undefined and symbol.bind == c.STB_WEAK}
    for symbol in _out(item).symbols:
        if symbol.is_undefined and symbol.name:
            assert (symbol.bind == c.STB_WEAK) == (symbol.name in weak), symbol.name


@pytest.mark.skipif(not shutil.which("readelf") or not shutil.which("ld"), reason="needs binutils")
@each_changed
def test_binutils_accept_the_out_object(item: Item, tmp_path: Path) -> None:
    path = tmp_path / "out.o"
    path.write_bytes(_out(item).to_bytes())
    commands: list[list[str | Path]] = [["readelf", "-aW", path], ["ld", "-r", "-o", tmp_path / "linked.o", path]]
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0 and "arning" not in done.stdout and "rror:" not in done.stdout, done.stdout


# -- variations that mean the same --------------------------------------------------------------


def _vary(obj: ElfObject, rng: random.Random) -> ElfObject:
    """``obj`` with other spellings: order of sections, symbols and strings, section symbols for names."""
    _shuffle_strings(obj, rng)
    _spell_by_section(obj, rng)
    _pad(obj, rng)
    rng.shuffle(obj.sections)
    rng.shuffle(obj.symbols)
    return ElfObject.parse(obj.to_bytes())


def _shuffle_strings(obj: ElfObject, rng: random.Random) -> None:
    users: dict[Section, list[Reloc]] = defaultdict(list)
    view = _view(obj)
    for section in obj.sections:
        for reloc in section.relocs:
            target = reloc.symbol.section
            if target is not None and target.is_string and target.entsize == 1:
                users[target].append(reloc)
    for target, relocs in users.items():
        pieces: dict[bytes, list[tuple[Reloc, int]]] = defaultdict(list)
        for section in obj.sections:
            for reloc in section.relocs:
                if reloc in relocs:
                    bias = view.bias(section, reloc, 0)
                    start = reloc.symbol.value + reloc.addend + bias
                    pieces[bytes(target.data[start : target.data.index(b"\0", start) + 1])].append((reloc, bias))
        order = sorted(pieces)
        rng.shuffle(order)
        data = b""
        for piece in order:
            for reloc, bias in pieces[piece]:
                reloc.symbol, reloc.addend = _section_symbol(obj, target), len(data) - bias
            data += piece
        target.data, target.size = data, len(data)


def _section_symbol(obj: ElfObject, section: Section) -> Symbol:
    if section.symbol is None:
        section.symbol = obj.add_symbol(Symbol("", section, type=c.STT_SECTION))
    return section.symbol


def _spell_by_section(obj: ElfObject, rng: random.Random) -> None:
    for section in obj.sections:
        if section.name.startswith(".kpatch."):
            continue
        for reloc in section.relocs:
            target = reloc.symbol.section
            if target is not None and target.symbol is not None and reloc.symbol.type != c.STT_SECTION:
                entity = reloc.symbol.type in (c.STT_FUNC, c.STT_OBJECT)
                if entity and rng.random() < 0.5:
                    reloc.addend += reloc.symbol.value
                    reloc.symbol = target.symbol


def _pad(obj: ElfObject, rng: random.Random) -> None:
    for section in obj.sections:
        if section.name.startswith(".text.") and rng.random() < 0.3:
            section.data = bytes(section.data) + b"\x90" * rng.choice((1, 4, 9))
            section.size = len(section.data)
            section.addralign *= rng.choice((1, 2, 4))


_FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@_FEW
@given(st.sampled_from(ITEMS), st.sampled_from(["original", "patched"]), st.integers(0, 1 << 32))
def test_another_spelling_is_no_change(item: Item, side: str, seed: int) -> None:
    data = item.object(side).read_bytes()
    result = diff_objects(ElfObject.parse(data), _vary(ElfObject.parse(data), random.Random(seed)))
    assert (result.status, result.refusals) == ("unchanged", [])


@_FEW
@given(st.sampled_from(CHANGED), st.integers(0, 1 << 32))
def test_another_spelling_does_not_alter_the_result(item: Item, seed: int) -> None:
    original, patched = item.read()
    rng = random.Random(seed)
    result = diff_objects(_vary(original, rng), _vary(patched, rng), objname=item.says("object") or "vmlinux")
    expected = item.diff()
    assert result.status == expected.status
    for name in ("changed_functions", "new_functions", "new_data", "references"):
        assert sorted(map(str, getattr(result, name))) == sorted(map(str, getattr(expected, name))), name
    assert {**result.special} == {**expected.special}


@_FEW
@given(st.sampled_from(ITEMS), st.sampled_from(["original", "patched"]), st.integers(0, 1 << 32))
def test_other_numbers_of_the_compiler_are_no_change(item: Item, side: str, seed: int) -> None:
    """The numbers in ``count.3``, ``f.isra.0`` and ``__UNIQUE_ID_x7``, dealt out anew."""
    if item.compiler == "clang":
        return
    data = item.object(side).read_bytes()
    other = ElfObject.parse(data)
    rng = random.Random(seed)
    for group in _numbered(other).values():
        numbers = rng.sample(range(100), len(group))
        for symbol, number in zip(group, numbers):
            stem, _, _ = symbol.name.rpartition(".")
            symbol.name = f"{stem}.{number}"
    result = diff_objects(ElfObject.parse(data), ElfObject.parse(other.to_bytes()))
    assert (result.status, result.refusals) == ("unchanged", [])


def _numbered(obj: ElfObject) -> dict[str, list[Symbol]]:
    groups: dict[str, list[Symbol]] = defaultdict(list)
    for symbol in obj.symbols:
        if symbol.section and symbol.name.rpartition(".")[2].isdigit() and symbol.name.rpartition(".")[0]:
            groups[symbol.name.rpartition(".")[0]].append(symbol)
    return groups


# -- variations that do not mean the same ---------------------------------------------------------


@_FEW
@given(st.sampled_from(ITEMS), st.sampled_from(["original", "patched"]), st.integers(0, 1 << 32))
def test_a_flipped_bit_of_code_is_a_change(item: Item, side: str, seed: int) -> None:
    if item.name.startswith(("author-ignore", "compare-line")):
        return  # the author says that it does not matter, or the number is a line
    data = item.object(side).read_bytes()
    other = ElfObject.parse(data)
    rng = random.Random(seed)
    functions = _view(other).functions
    if not functions:
        return
    function = rng.choice(functions)
    section, at = function.section, rng.randrange(function.start, function.end)
    width = X86_64.width
    if any(reloc.offset <= at < reloc.offset + width[reloc.type] for reloc in section.relocs):
        return
    code = bytearray(section.data)
    code[at] ^= 1 << rng.randrange(8)
    section.data = bytes(code)
    try:
        result = diff_objects(
            ElfObject.parse(data), ElfObject.parse(other.to_bytes()), objname=item.says("object") or "vmlinux"
        )
    except BadInput:
        return
    assert result.status != "unchanged", f"{function.name}+{at - function.start:#x}"
