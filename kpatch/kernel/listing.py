"""The symbols of a kernel or a module as a user has them: an ELF file, System.map, kallsyms, readelf's text.

Where the source is an ELF symbol table each local symbol is known to belong to a source file: it stands
behind the STT_FILE symbol of that file (System V gABI, chapter 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kpatch.elf import const as c
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput
from kpatch.kernel.image import KernelImage
from kpatch.kernel.symbols import SymbolTable, load_symbols, read_map

__all__ = ["Listed", "Listing", "read_listing"]

_READELF = b"Symbol table '"
_KINDS = "give a vmlinux or vmlinuz, a module, a System.map, or the text of /proc/kallsyms or readelf -sW"


class Listed(NamedTuple):
    """One symbol; ``block`` is the number of its source file's block, -1 when not known.

    ``address``: link-time address, in a relocatable object the offset in its section.
    """

    name: str
    address: int
    visible: bool
    block: int


class Listing:
    """Symbols in the order in which livepatch counts namesakes."""

    def __init__(self) -> None:
        self.named: dict[str, list[Listed]] = defaultdict(list)
        #: the name of each block's source file
        self.files: list[str] = []
        #: local names of each block
        self.locals: list[set[str]] = []

    def add_file(self, name: str) -> None:
        """Begin the block of one source file."""
        self.files.append(name)
        self.locals.append(set())

    def add(self, name: str, address: int, visible: bool) -> None:
        """Add a symbol, which belongs to the current block when it is local."""
        block = -1 if visible else len(self.files) - 1
        if block >= 0:
            self.locals[block].add(name)
        self.named[name].append(Listed(name, address, visible, block))

    def sort(self) -> None:
        """Order namesakes by address, as kallsyms has those of the kernel; those of a module stay as they are."""
        for namesakes in self.named.values():
            if len(namesakes) > 1:
                namesakes.sort(key=lambda symbol: symbol.address)


def read_listing(path: Path, objname: str) -> list[Listing]:
    """What ``path`` lists for code of ``objname`` (``vmlinux`` or a module), the nearest namespace first.

    Raises :class:`BadInput` when it holds no symbols.
    """
    try:
        if not path.is_file():
            raise BadInput(f"{path} is no file with symbols" if path.exists() else f"there is no {path}", _KINDS)
        with open(path, "rb") as file:
            head = file.read(80)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}", _KINDS) from error
    if head[:4] == c.ELF_MAGIC and head[16:18] in (b"\x01\x00", b"\x00\x01"):
        return [_of_object(ElfObject.read(path))]
    if _READELF in head:
        return [_of_readelf(path, objname)]
    if head[:1] in b"0123456789abcdefABCDEF" and b" " in head:
        return [*_own_module(path, objname), _of_table(read_map(path))]
    try:
        image = _of_image(KernelImage.read(path))
    except BadInput as error:
        raise BadInput(error.message, _KINDS) from error
    return [image] if objname == "vmlinux" else [Listing(), image]


def _own_module(path: Path, objname: str) -> list[Listing]:
    """The lines of the module ``objname``; the kernel has none of its own."""
    return [_of_table(read_map(path, objname.replace("-", "_")))] if objname != "vmlinux" else []


def _of_object(obj: ElfObject) -> Listing:
    listing = Listing()
    for symbol in obj.symbols:
        if symbol.type == c.STT_FILE:
            listing.add_file(symbol.name)
        elif symbol.section is not None and symbol.name:
            listing.add(symbol.name, symbol.value, symbol.bind != c.STB_LOCAL)
    return listing


def _of_image(image: KernelImage) -> Listing:
    table = image.elf_symbols()
    if table is None:
        return _of_table(load_symbols(image))
    listing = Listing()
    for name, info, section, value in table:
        if info & 0xF == c.STT_FILE:
            listing.add_file(name)
        elif info & 0xF <= c.STT_FUNC and section and name:
            listing.add(name, value, info >> 4 != c.STB_LOCAL)
    listing.sort()
    return listing


def _of_table(table: SymbolTable) -> Listing:
    listing = Listing()
    for name, address, letter in zip(table.names, table.addresses, table.types):
        listing.add(name, address, letter.isupper())
    return listing


def _of_readelf(path: Path, objname: str) -> Listing:
    """The text that ``readelf --symbols --wide`` prints."""
    listing = Listing()
    try:
        for value, kind, bind, section, name in _rows(path):
            if kind == "FILE":
                listing.add_file(name)
            elif kind in ("NOTYPE", "OBJECT", "FUNC") and section != "UND" and name:
                listing.add(name, int(value, 16), bind != "LOCAL")
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no list of symbols by readelf: {error}", "readelf --symbols --wide") from error
    if objname == "vmlinux":
        listing.sort()
    return listing


def _rows(path: Path) -> Iterator[tuple[str, str, str, str, str]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            # Num: Value Size Type Bind Vis Ndx Name
            words = line.split(None, 7)
            if len(words) >= 7 and words[0][:-1].isdigit():
                yield words[1], words[3], words[4], words[6], words[7].strip() if len(words) > 7 else ""
