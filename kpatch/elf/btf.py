"""Reads type layouts from a ``.BTF`` section (Documentation/bpf/btf.rst), as gcc 12 and later write with -gbtf."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kpatch.elf.layouts import Layout, Layouts, Member
from kpatch.errors import BadInput

__all__ = ["read_btf"]

_MAGIC = 0xEB9F
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = range(1, 12)
_FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = range(13, 20)
_FIXED_TAIL = {_INT: 4, _ARRAY: 12, _VAR: 4, _DECL_TAG: 4}
"""Bytes that follow the head of a type, and below: for each of its ``vlen`` entries."""
_ENTRY = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _FUNC_PROTO: 8, _DATASEC: 12, _ENUM64: 12}
_ALIASES = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)


@dataclass(frozen=True)
class _Type:
    name: str
    kind: int
    bitfields: bool
    value: int
    tail: bytes


def read_btf(data: bytes) -> Layouts:
    """The layouts that the section's content ``data`` describes. Raises :class:`BadInput` when it is damaged."""
    try:
        return _Reader(data).layouts()
    except (struct.error, IndexError, ValueError, RecursionError) as error:
        raise BadInput(f"the type information (.BTF) is damaged: {error}") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        magic, version, _, length, types, types_size, strings, strings_size = struct.unpack_from("<HBBIIIII", data)
        if magic != _MAGIC or version != 1:
            raise ValueError("no BTF of version 1")
        self.strings = data[length + strings : length + strings + strings_size]
        self.types = [
            _Type("void", 0, False, 0, b""),
            *self._parse(data[length + types : length + types + types_size]),
        ]

    def _parse(self, data: bytes) -> Iterator[_Type]:
        at = 0
        while at < len(data):
            name, info, value = struct.unpack_from("<III", data, at)
            kind, entries = info >> 24 & 0x1F, info & 0xFFFF
            size = _FIXED_TAIL.get(kind, 0) + _ENTRY.get(kind, 0) * entries
            yield _Type(self._string(name), kind, bool(info >> 31), value, data[at + 12 : at + 12 + size])
            at += 12 + size

    def _string(self, offset: int) -> str:
        return self.strings[offset : self.strings.index(b"\0", offset)].decode("utf-8", "replace")

    def layouts(self) -> Layouts:
        found = Layouts()
        for each in self.types:
            if each.kind in (_STRUCT, _UNION) and each.name:
                word = "struct" if each.kind == _STRUCT else "union"
                found.types[f"{word} {each.name}"] = Layout(each.value, tuple(self._members(each, "", 0)))
            elif each.kind == _TYPEDEF:
                record = self.types[each.value]
                if record.kind in (_STRUCT, _UNION) and not record.name:
                    found.types[each.name] = Layout(record.value, tuple(self._members(record, "", 0)))
            elif each.kind == _ENUM:
                for name, value in struct.iter_unpack("<Ii", each.tail):
                    found.constants[self._string(name)] = value
            elif each.kind == _ENUM64:
                for name, low, high in struct.iter_unpack("<III", each.tail):
                    found.constants[self._string(name)] = high << 32 | low
        return found

    def _members(self, outer: _Type, prefix: str, base: int) -> Iterator[Member]:
        for name_at, number, place in struct.iter_unpack("<III", outer.tail):
            name = prefix + self._string(name_at)
            offset, bits = (place & 0xFFFFFF, place >> 24) if outer.bitfields else (place, 0)
            inner = self._resolve(number)
            if inner.kind in (_STRUCT, _UNION) and not inner.name:
                yield from self._members(inner, f"{name}." if name != prefix else prefix, base + offset)
            else:
                yield Member(name, base + offset, bits or 8 * self._size(inner))

    def _resolve(self, number: int) -> _Type:
        each = self.types[number]
        while each.kind in _ALIASES:
            each = self.types[each.value]
        return each

    def _size(self, each: _Type) -> int:
        """Bytes of a type that is no alias."""
        if each.kind == _PTR:
            return 8
        if each.kind == _ARRAY:
            element, _, count = struct.unpack("<III", each.tail)
            return int(count) * self._size(self._resolve(element))
        return each.value if each.kind in (_INT, _STRUCT, _UNION, _ENUM, _FLOAT, _ENUM64) else 0
