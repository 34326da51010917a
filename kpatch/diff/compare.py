"""Comparison by meaning: whether two ranges, references or functions say the same."""

from __future__ import annotations

from kpatch.diff.model import Body, Entity, Ref, View
from kpatch.diff.names import base_name, is_filled_when_linked
from kpatch.diff.special import Entry, SpecialTables, blob_size
from kpatch.diff.texts import says_same
from kpatch.elf import const as c
from kpatch.elf.object import Section

__all__ = ["Comparer", "Twins", "as_text"]

#: Where objects of a section keep a line number: offset, bits (linux/dynamic_debug.h, linux/codetag.h)
_LINE_FIELDS = {"__dyndbg": (32, 0x3FFFF), "__verbose": (32, 0x3FFFF), "alloc_tags": (4, 0xFFFFFFFF)}
_SANITIZER_PLACES = (".Lubsan_data", ".L__unnamed_", ".LASANLOC", ".L___asan_gen_")
_SANITIZER_LINE = (8, 0xFFFFFFFFFFFFFFFF)
"""Line and column behind the file's name: what UBSAN and KASAN tell begins so (lib/ubsan.h, mm/kasan/kasan.h)."""


class Twins:
    """Which entity of the original is which entity of the patched object; one to one."""

    def __init__(self) -> None:
        self.original: dict[Entity, Entity] = {}
        self.patched: dict[Entity, Entity] = {}

    def pair(self, original: Entity, patched: Entity) -> None:
        self.original[patched] = original
        self.patched[original] = patched

    def same(self, original: Entity, patched: Entity) -> bool:
        return self.original.get(patched) is original


class Comparer:
    """Compares the original with the patched object under the pairing ``twins``."""

    def __init__(self, original: SpecialTables, patched: SpecialTables, twins: Twins) -> None:
        self.tables = (original, patched)
        self.o: View = original.view
        self.p: View = patched.view
        self.twins = twins
        #: constants whose contents changed: code that refers to them changed too
        self.changed_constants: set[Entity] = set()
        self._copies: dict[tuple[Entity, Entity], bool] = {}
        self._places: dict[tuple[Section, int, Section, int], bool] = {}

    def same_ref(self, a: Ref, b: Ref) -> bool:
        """Whether reference ``a`` of the original means what ``b`` of the patched object means."""
        if a.kind != b.kind or a.offset != b.offset:
            if a.kind == b.kind == "place":
                return self._same_place(a, b)
            return a.kind != b.kind and self._same_merged(a, b)
        if a.kind == "entity":
            assert isinstance(a.target, Entity) and isinstance(b.target, Entity)
            return self._same_entity(a.target, b.target) and self._same_behind(a, b)
        if a.kind == "place":
            return self._same_place(a, b)
        if a.kind == "ext" and a.target != b.target:
            return base_name(str(a.target)) == base_name(str(b.target)) and "__UNIQUE_ID_" in str(a.target)
        return a.target == b.target or (a.kind == "str" and says_same(a.target, b.target))

    def _same_entity(self, a: Entity, b: Entity) -> bool:
        if self.twins.same(a, b):
            return b not in self.changed_constants
        if not a.size and b not in self.twins.original and base_name(a.name) in map(base_name, b.shares_place_with):
            return True  # the patch put a new object where only one of no bytes was
        if b in self.twins.original or not b.copyable or base_name(a.name) != base_name(b.name):
            return False
        known = self._copies.get((a, b))
        if known is None:
            self._copies[a, b] = True  # a reference back to itself is no difference
            known = a.section.name.split(".")[1:2] == b.section.name.split(".")[1:2] and self.same_contents(a, b)
            self._copies[a, b] = known
        return known

    def _same_behind(self, a: Ref, b: Ref) -> bool:
        """Whether what follows two objects, when references to their ends may mean that, is the same."""
        assert isinstance(a.target, Entity) and isinstance(b.target, Entity)
        one, other = a.target, b.target
        if one.is_function or a.offset != one.size or b.offset != other.size:
            return True
        if not self.o.pieces.follows(one.section, one.end) or not self.p.pieces.follows(other.section, other.end):
            return True
        return self._same_place(Ref("place", one.section, one.end), Ref("place", other.section, other.end))

    def _same_merged(self, a: Ref, b: Ref) -> bool:
        """Whether both lead to equal constants of other kinds: clang keeps one of two equal ones, named or not."""
        one, other = _constant(self.o, a), _constant(self.p, b)
        if one is None or other is None:
            return False
        if "str" in (a.kind, b.kind):
            return one[1] == other[1]
        return one == other

    def _same_place(self, a: Ref, b: Ref) -> bool:
        assert isinstance(a.target, Section) and isinstance(b.target, Section)
        key = (a.target, a.offset, b.target, b.offset)
        known = self._places.get(key)
        if known is None:
            self._places[key] = True
            known = self._places[key] = self._compare_places(a.target, a.offset, b.target, b.offset)
        return known

    def _compare_places(self, a: Section, at: int, b: Section, bt: int) -> bool:
        if base_name(a.name) != base_name(b.name) or a.flags != b.flags:
            return False
        if self.o.machine.special(a.name):
            x, y = self.tables[0].entry_at(a, at), self.tables[1].entry_at(b, bt)
            return x is not None and y is not None and at - x.start == bt - y.start and self._same_entry(x, y)
        if a.name in self.o.machine.fragment_sections:
            a_start, a_stop = self.tables[0].fragment(a, at)
            b_start, b_stop = self.tables[1].fragment(b, bt)
            return at - a_start == bt - b_start and self._same_fragment(a, a_start, a_stop, b, b_start, b_stop)
        a_start, a_stop = self.o.pieces.piece(a, at)
        b_start, b_stop = self.p.pieces.piece(b, bt)
        if at - a_start != bt - b_start or a_stop - a_start != b_stop - b_start:
            return False
        return self.same_body(self.o.body(a, a_start, a_stop), self.p.body(b, b_start, b_stop))

    def _same_fragment(self, a: Section, a0: int, a1: int, b: Section, b0: int, b1: int) -> bool:
        return self.same_body(self.o.body(a, a0, a1), self.p.body(b, b0, b1)) and self._same_entries(
            self.tables[0].entries_in(a, a0, a1), self.tables[1].entries_in(b, b0, b1), a0, b0
        )

    def same_body(self, a: Body, b: Body) -> bool:
        """Whether two ranges hold the same bytes and refer to the same things."""
        return a.data == b.data and self.same_refs(a, b)

    def same_section(self, a: Section, b: Section) -> bool:
        """Whether two whole sections say the same."""
        return a.size == b.size and self.same_body(self.o.body(a, 0, a.size), self.p.body(b, 0, b.size))

    def same_refs(self, a: Body, b: Body) -> bool:
        """Whether the relocated fields of two ranges mean the same."""
        if len(a.refs) != len(b.refs):
            return False
        return all(x[0] == y[0] and x[1] == y[1] and self.same_ref(x[2], y[2]) for x, y in zip(a.refs, b.refs))

    def same_contents(self, a: Entity, b: Entity) -> bool:
        """Whether two entities have the same bytes, by meaning."""
        one, other = (_without_line(view, entity) for entity, view in ((a, self.o), (b, self.p)))
        return a.size == b.size and self.same_body(one, other)

    def same_entries(self, a: Entity, b: Entity) -> bool:
        """Whether the special sections say the same of two functions (line numbers aside)."""
        return self._same_entries(self.tables[0].entries_of(a), self.tables[1].entries_of(b), a.start, b.start)

    def _same_entries(self, a: list[Entry], b: list[Entry], a0: int, b0: int) -> bool:
        a = [entry for entry in a if not entry.special.derived]
        b = [entry for entry in b if not entry.special.derived]
        return len(a) == len(b) and all(self._same_entry(x, y) for x, y in zip(a, b))

    def _same_entry(self, a: Entry, b: Entry) -> bool:
        if a.special is not b.special or a.section.name != b.section.name:
            return False
        x, y = self.tables[0].body(a), self.tables[1].body(b)
        if x.data != y.data or len(x.refs) != len(y.refs):
            return False
        for (slot, kind, one), (slot2, kind2, other) in zip(x.refs, y.refs):
            if slot != slot2 or kind != kind2:
                return False
            blob = slot in a.special.blobs and one.kind == other.kind == "place"
            if not (self._same_blob(a, slot, one, other) if blob else self.same_ref(one, other)):
                return False
        return True

    def _same_blob(self, entry: Entry, slot: int, a: Ref, b: Ref) -> bool:
        """Whether the code fragments ``a`` and ``b``, which the entry points to, are the same."""
        size = blob_size(entry, slot)
        if size is None:
            return self._same_place(a, b)
        assert isinstance(a.target, Section) and isinstance(b.target, Section)
        return self._same_fragment(a.target, a.offset, a.offset + size, b.target, b.offset, b.offset + size)


def _constant(view: View, ref: Ref) -> tuple[bytes, bytes] | None:
    """What a constant without relocations holds, before and behind the place in it that ``ref`` leads to."""
    if isinstance(ref.target, bytes) and ref.kind == "str":
        return b"", ref.target
    if isinstance(ref.target, Entity) and ref.target.is_local and not ref.target.is_function:
        section, start, stop = ref.target.section, ref.target.start, ref.target.end
        at = start + ref.offset
    elif isinstance(ref.target, Section) and not view.machine.gives_meaning_to(ref.target.name):
        section, at = ref.target, ref.offset
        start, stop = view.pieces.piece(section, at)
    else:
        return None
    if section.is_text or section.flags & c.SHF_WRITE or is_filled_when_linked(section.name) or not start <= at < stop:
        return None
    body = view.body(section, start, stop)
    return None if body.refs else (body.data[: at - start], body.data[at - start :])


def as_text(view: View, ref: Ref) -> Ref:
    """``ref`` as a reference to a string, if it is one: KASAN takes strings out of their section to guard them."""
    constant = _constant(view, ref) if ref.kind == "place" else None
    text, end, _ = constant[1].partition(b"\0") if constant else (b"", b"", b"")
    return Ref("str", text + end, 1) if text and end and text.isascii() else ref


def _begins_with_text(view: View, body: Body) -> bool:
    """Whether the contents begin with a pointer to a string."""
    return bool(body.refs) and body.refs[0][0] == 0 and as_text(view, body.refs[0][2]).kind == "str"


def _without_line(view: View, entity: Entity) -> Body:
    """What the object holds, the line number in it cleared."""
    body = view.body_of(entity)
    sanitizer = entity.name.startswith(_SANITIZER_PLACES) and _begins_with_text(view, body)
    field = _SANITIZER_LINE if sanitizer else _LINE_FIELDS.get(entity.section.name)
    if field is None:
        return body
    offset, mask = field
    stop = offset + (mask.bit_length() + 7) // 8
    if len(body.data) < stop:
        return body
    word = int.from_bytes(body.data[offset:stop], "little") & ~mask
    return Body(body.data[:offset] + word.to_bytes(stop - offset, "little") + body.data[stop:], body.refs)
