"""The file in a bug table's entry, also where it counts from the entry's start (before 5.19)."""

from __future__ import annotations

import pytest

from tests.golden.corpus import Item

ITEMS = [
    Item("table-bug-from-start", "gcc"),
    Item("table-bug-from-start", "clang"),
    Item("table-bug-from-start-kasan", "gcc"),
]


@pytest.mark.parametrize("item", ITEMS, ids=str)
def test_the_file_is_found_where_the_kernel_looks(item: Item) -> None:
    out = item.diff().out
    assert out is not None
    table = out.section("__bug_table")
    assert table is not None
    files = []
    for reloc in table.relocs:
        target = reloc.symbol.section
        if reloc.offset % 12 == 4 and target is not None:
            start = reloc.symbol.value + reloc.addend - 4  # bug_get_file_line() adds it to the entry's address
            files.append(target.data[start : target.data.index(b"\0", start)])
    assert sorted(files) == [b"a.c", b"mm/slab.c", b"mm/slub.c"]
