"""Reads type layouts from DWARF, for compilers that write no BTF. Slow: only where types change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from kpatch.elf.layouts import Layout, Layouts, Member
from kpatch.errors import BadInput

__all__ = ["read_dwarf"]

_RECORDS = {"DW_TAG_structure_type": "struct", "DW_TAG_union_type": "union"}
_ALIASES = {"DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_restrict_type"}


def read_dwarf(path: Path) -> Layouts:
    """The layouts of the types that the object at ``path`` uses. Raises :class:`BadInput` when it is damaged."""
    found = Layouts()
    try:
        with open(path, "rb") as stream:
            info = ELFFile(stream).get_dwarf_info()
            for unit in info.iter_CUs():
                for die in unit.get_top_DIE().iter_children():
                    _add(die, found)
    except Exception as error:  # pyelftools trusts what it reads: damage ends in whatever comes first
        raise BadInput(f"the type information (DWARF) of {path} is damaged: {error!r}") from error
    return found


def _add(die: DIE, found: Layouts) -> None:
    name = _name(die)
    if die.tag in _RECORDS and name and "DW_AT_byte_size" in die.attributes:
        layout = Layout(_value(die, "DW_AT_byte_size"), tuple(_members(die, "", 0)))
        found.types[f"{_RECORDS[die.tag]} {name}"] = layout
    elif die.tag == "DW_TAG_typedef" and "DW_AT_type" in die.attributes:
        record = die.get_DIE_from_attribute("DW_AT_type")
        if record.tag in _RECORDS and not _name(record):
            found.types[name] = Layout(_value(record, "DW_AT_byte_size"), tuple(_members(record, "", 0)))
    elif die.tag == "DW_TAG_enumeration_type":
        for child in die.iter_children():
            found.constants[_name(child)] = _value(child, "DW_AT_const_value")


def _members(outer: DIE, prefix: str, base: int) -> Iterator[Member]:
    for die in outer.iter_children():
        if die.tag != "DW_TAG_member":
            continue
        name = prefix + _name(die)
        inner = _resolve(die)
        offset, bits = _place(die, inner)
        if inner.tag in _RECORDS and not _name(inner):
            yield from _members(inner, f"{name}." if name != prefix else prefix, base + offset)
        else:
            yield Member(name, base + offset, bits or 8 * _size(inner))


def _place(die: DIE, inner: DIE) -> tuple[int, int]:
    """Offset and, for a bit-field, size, both in bits."""
    offset = 8 * _value(die, "DW_AT_data_member_location")
    bits = _value(die, "DW_AT_bit_size")
    if "DW_AT_data_bit_offset" in die.attributes:
        return _value(die, "DW_AT_data_bit_offset"), bits
    if "DW_AT_bit_offset" in die.attributes:  # DWARF 3: counted from the most significant bit of the unit
        return offset + 8 * _size(inner) - _value(die, "DW_AT_bit_offset") - bits, bits
    return offset, bits


def _resolve(die: DIE) -> DIE:
    """The type of ``die`` behind typedefs and qualifiers."""
    while "DW_AT_type" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_type")
        if die.tag not in _ALIASES:
            break
    return die


def _size(die: DIE) -> int:
    if die.tag == "DW_TAG_pointer_type":
        return 8
    if die.tag != "DW_TAG_array_type":
        return _value(die, "DW_AT_byte_size")
    count = 1
    for child in die.iter_children():
        if child.tag == "DW_TAG_subrange_type":
            count *= _value(child, "DW_AT_count") or _value(child, "DW_AT_upper_bound", -1) + 1
    return count * _size(_resolve(die))


def _value(die: DIE, name: str, default: int = 0) -> int:
    attribute: Any = die.attributes.get(name)
    return int(attribute.value) if attribute is not None and isinstance(attribute.value, int) else default


def _name(die: DIE) -> str:
    attribute: Any = die.attributes.get("DW_AT_name")
    return attribute.value.decode("utf-8", "replace") if attribute is not None else ""
