"""Constants that the kernel writes into its own code: their variables, or the fields that hold them."""

from __future__ import annotations

from kpatch.build.constants import add_constants
from kpatch.build.match import Match, MatchedFunction
from kpatch.kernel.symbols import SymbolTable
from tests.golden.corpus import Item

F, G = 0xFFFFFFFF81000000, 0xFFFFFFFF81002000


def _addresses(*known: str, exact: tuple[bool, bool] = (True, True)) -> dict[str, int]:
    original, _ = Item("runtime-constant", "gcc").read()
    match = Match(functions={"f": MatchedFunction(F, 0, 0, exact[0]), "g": MatchedFunction(G, 0, 0, exact[1])})
    add_constants(original, match, SymbolTable(list(known), [0xFFFFFFFF82000000] * len(known), "D" * len(known)))
    return match.addresses


def _field(name: str) -> int:
    """Where ``name`` holds the placeholder."""
    original, _ = Item("runtime-constant", "gcc").read()
    symbol = original.symbol(name)
    assert symbol is not None and symbol.section is not None
    return symbol.section.data.index(0x0123456789ABCDEF.to_bytes(8, "little")) - symbol.value


def test_a_constant_without_a_variable_is_read_from_the_old_code() -> None:
    assert _addresses() == {"limit": F + _field("f")}


def test_code_that_is_not_exactly_the_same_does_not_tell_where() -> None:
    assert _addresses(exact=(False, True)) == {"limit": G + _field("g")}
    assert _addresses(exact=(False, False)) == {}


def test_a_variable_is_left_to_the_symbols() -> None:
    assert _addresses("limit") == {}
