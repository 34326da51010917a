"""Addresses of symbols from whatever a user has: a kernel image, a list of symbols, an object."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput
from kpatch.kernel.image import KernelImage
from kpatch.kernel.symbols import SymbolTable, load_symbols, read_map

__all__ = ["Found", "find_all", "read_symbols"]

_LETTERS = {c.STT_FUNC: "t", c.STT_OBJECT: "d"}


class Found(NamedTuple):
    """Where a name leads: link-time address (for an object: offset in its section), livepatch's sympos."""

    address: int
    sympos: int


def read_symbols(path: Path) -> SymbolTable:
    """The symbols in ``path``: a vmlinux or vmlinuz, System.map or kallsyms text, or a relocatable object.

    Raises :class:`BadInput` when it is none of them.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    if head[:4] == c.ELF_MAGIC and head[16:18] in (b"\x01\x00", b"\x00\x01"):
        return _of_object(ElfObject.read(path))
    if head[:1] in b"0123456789abcdefABCDEF" and b" " in head:
        return read_map(path)
    return load_symbols(KernelImage.read(path))


def _of_object(obj: ElfObject) -> SymbolTable:
    known = [symbol for symbol in obj.symbols if symbol.section is not None and symbol.name]
    letters = [_LETTERS.get(symbol.type, "r") for symbol in known]
    types = [letter.upper() if symbol.bind else letter for symbol, letter in zip(known, letters)]
    return SymbolTable([symbol.name for symbol in known], [symbol.value for symbol in known], "".join(types))


def find_all(names: Iterable[str], table: SymbolTable) -> tuple[dict[str, Found], list[str]]:
    """What ``table`` knows of ``names``, and the names it does not know or not for certain.

    Of several namesakes only a global one is certain: the linker allows one of those.
    """
    found: dict[str, Found] = {}
    unknown = []
    for name in names:
        namesakes = table.named(name)
        visible = [symbol for symbol in namesakes if symbol.type.isupper()] if len(namesakes) > 1 else namesakes
        if len(visible) == 1:
            found[name] = Found(visible[0].address, table.position(visible[0]))
        else:
            unknown.append(name)
    return found, unknown
