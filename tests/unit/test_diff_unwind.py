"""Code behind a fault without an unwind entry of its own is served by the one before it, also in the hot patch."""

from __future__ import annotations

import pytest

from kpatch.elf.object import Section
from tests.golden.corpus import Item


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_a_fragment_begins_with_the_record_that_served_it(compiler: str) -> None:
    out = Item("unwind-orc-fixup", compiler).diff().out
    assert out is not None
    places, records, fixup = (out.section(name) for name in (".orc_unwind_ip", ".orc_unwind", ".fixup"))
    assert places is not None and records is not None and fixup is not None
    found: dict[Section | None, tuple[int, bytes]] = {}
    for number, reloc in enumerate(sorted(places.relocs, key=lambda reloc: reloc.offset)):
        start = reloc.symbol.value + reloc.addend
        found[reloc.symbol.section] = start, records.data[number * 6 : number * 6 + 6]
    assert found == {out.section(".text.f"): (0, bytes([3] * 6)), fixup: (0, bytes([2] * 6))}
