"""A shipped kernel image: its bytes by virtual address, its version strings, its build-id.

The source is a bzImage (``/boot/vmlinuz-*``) or a vmlinux ELF with or without symbols.  Addresses
are link-time addresses: what runs is the same block, moved as a whole by KASLR.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from kpatch.errors import BadInput
from kpatch.kernel import notes
from kpatch.kernel.payload import REMEDY, is_bzimage, unpack
from kpatch.kernel.store import write_file
from kpatch.log import logger

__all__ = ["KernelImage", "RawSymbols", "SectionRange", "Segment"]

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_ET_EXEC, _ET_DYN, _EM_X86_64 = 2, 3, 62
_PT_LOAD, _PT_NOTE = 1, 4
_SHT_SYMTAB, _SHT_NOBITS = 2, 8
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SYM = "<IBBHQQ"
_STT_FUNC = 2
_PF_X = 1
_LONGEST_NAME = 4096
"""Bytes; KSYM_NAME_LEN is 512.  Bounds what damaged names can take."""
_UTS_FIELD = 65
"""Bytes of each string in ``struct new_utsname`` (include/uapi/linux/utsname.h)."""


class Segment(NamedTuple):
    """One loadable segment: link-time address, place in the file, both sizes in bytes."""

    address: int
    offset: int
    file_size: int
    memory_size: int
    flags: int


class SectionRange(NamedTuple):
    """One section that is loaded: name, link-time address, place in the file, size in bytes."""

    name: str
    address: int
    offset: int
    size: int
    flags: int


class RawSymbols(NamedTuple):
    """Symbols as parallel sequences: names, link-time addresses, one type letter each."""

    names: list[str]
    addresses: list[int]
    types: str


class KernelImage:
    """A kernel image that lies unpacked in memory (or mapped from the cache)."""

    def __init__(self, data: bytes | mmap.mmap, where: str, digest: str) -> None:
        """``data``: a vmlinux ELF; ``where`` names it in messages; ``digest``: SHA-256 of the shipped file."""
        self.data = memoryview(data)
        self.buffer = data
        self.where = where
        self.digest = digest
        self._read_headers()

    @classmethod
    def read(cls, path: str | Path, cache: Path | None = None) -> KernelImage:
        """Read the image at ``path``; an unpacked bzImage is kept in the directory ``cache``.

        Raises :class:`BadInput` when the file is missing, damaged, or no x86_64 kernel.
        """
        try:
            with open(path, "rb") as file:
                head = file.read(4)
                if head == b"\x7fELF":
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    return cls(mapped, str(path), hashlib.sha256(mapped).hexdigest())
                data = head + file.read()
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot read the kernel image {path}: {error}", "name the image with --image") from error
        if not is_bzimage(data):
            raise BadInput(f"{path} is neither a bzImage nor a vmlinux ELF", "name the kernel's vmlinuz with --image")
        return cls._unpacked(data, str(path), cache)

    @classmethod
    def _unpacked(cls, data: bytes, where: str, cache: Path | None) -> KernelImage:
        digest = hashlib.sha256(data).hexdigest()
        if cache is None:
            return cls(unpack(data, where), where, digest)
        kept = cache / f"vmlinux-{digest[:16]}"
        if not kept.exists():
            write_file(kept, unpack(data, where))
        try:
            with open(kept, "rb") as file:
                return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), where, digest)
        except (OSError, ValueError, BadInput) as error:
            logger.debug("%s in the cache is not usable (%s), unpacking again", kept, error)
            return cls(unpack(data, where), where, digest)

    def _read_headers(self) -> None:
        data = self.data
        if len(data) < _EHDR.size or bytes(data[:4]) != b"\x7fELF":
            raise BadInput(f"{self.where}: what it holds is no ELF kernel", REMEDY)
        ident, kind, machine, _, _, phoff, shoff, _, _, phsize, phnum, shsize, shnum, shstrndx = _EHDR.unpack_from(
            data
        )
        if ident[4] != 2 or machine != _EM_X86_64 or kind not in (_ET_EXEC, _ET_DYN):
            raise BadInput(f"{self.where}: not a kernel for x86_64 (ELF type {kind}, machine {machine})", REMEDY)
        if phsize != _PHDR.size or phoff + phnum * phsize > len(data):
            raise BadInput(f"{self.where}: truncated before its program headers", REMEDY)
        self.segments: list[Segment] = []
        self.notes_address, self.notes = 0, b""
        for index in range(phnum):
            kind, flags, offset, address, _, file_size, memory_size, _ = _PHDR.unpack_from(
                data, phoff + index * phsize
            )
            if kind not in (_PT_LOAD, _PT_NOTE):
                continue
            if offset + file_size > len(data):
                raise BadInput(f"{self.where}: truncated, {len(data)} bytes of {offset + file_size}", REMEDY)
            if kind == _PT_LOAD:
                self.segments.append(Segment(address, offset, file_size, memory_size, flags))
            else:
                self.notes_address, self.notes = address, bytes(data[offset : offset + file_size])
        if not self.segments:
            raise BadInput(f"{self.where}: no loadable segment", REMEDY)
        # A stripped or cut section table is no fault: the segments hold all that runs.
        whole = shsize == _SHDR.size and shstrndx < shnum and shoff + shnum * shsize <= len(data)
        self._section_table = (shoff, shnum, shstrndx) if whole else (0, 0, 0)

    @cached_property
    def _section_headers(self) -> list[tuple[int, ...]]:
        shoff, shnum, _ = self._section_table
        return [_SHDR.unpack_from(self.data, shoff + index * _SHDR.size) for index in range(shnum)]

    @cached_property
    def sections(self) -> list[SectionRange]:
        """Sections that are loaded, where the image still has a section table; else an empty list."""
        rows = self._section_headers
        if not rows:
            return []
        _, _, _, _, start, length, *_ = rows[self._section_table[2]]
        strings = bytes(self.data[start : start + length])
        found = []
        for name, kind, flags, address, offset, size, *_ in rows:
            if flags & _SHF_ALLOC and kind != _SHT_NOBITS and offset + size <= len(self.data):
                text = strings[name : strings.find(b"\0", name)].decode("latin-1")
                found.append(SectionRange(text, address, offset, size, flags))
        return found

    def elf_symbols(self) -> list[tuple[str, int, int, int]] | None:
        """Name, type and binding (``st_info``), section and address of each ELF symbol, or None without a table."""
        rows = self._section_headers
        table = next((row for row in rows if row[1] == _SHT_SYMTAB), None)
        if table is None or table[6] >= len(rows):
            return None
        start, size = table[4], table[5]
        strings_at, strings_size = rows[table[6]][4:6]
        if start + size > len(self.data) or strings_at + strings_size > len(self.data):
            raise BadInput(f"{self.where}: truncated before its symbol table", REMEDY)
        strings = bytes(self.data[strings_at : strings_at + strings_size])
        found = []
        for name, info, _, section, value, _ in struct.iter_unpack(_SYM, self.data[start : start + size - size % 24]):
            end = strings.find(b"\0", name, name + _LONGEST_NAME)
            if end < 0:
                raise BadInput(f"{self.where}: the names of its symbol table are damaged", REMEDY)
            found.append((strings[name:end].decode("utf-8", "replace"), info, section, value))
        return found

    def symbol_table(self) -> RawSymbols | None:
        """Functions and data of the ELF symbol table (a vmlinux that was not stripped), or None."""
        rows = self._section_headers
        found = RawSymbols([], [], "")
        types = []
        for name, info, section, value in self.elf_symbols() or ():
            if info & 0xF > _STT_FUNC or section == 0 or not name:
                continue
            letter = _letter(rows[section][2] if section < len(rows) else 0, section)
            found.names.append(name)
            found.addresses.append(value)
            types.append(letter.lower() if info >> 4 == 0 else letter)
        return found._replace(types="".join(types)) if types else None

    @cached_property
    def text_ranges(self) -> list[tuple[int, int]]:
        """(start, end) addresses of executable code, by section where known, else by segment.

        The .data of a kernel may be executable by its flags (Debian's 7.2), but code is never writable.
        """
        if self.sections:
            code = (s for s in self.sections if s.flags & (_SHF_EXECINSTR | _SHF_WRITE) == _SHF_EXECINSTR)
            return [(s.address, s.address + s.size) for s in code]
        return [(s.address, s.address + s.file_size) for s in self.segments if s.flags & _PF_X]

    def find(self, address: int) -> Segment | None:
        """The segment that holds ``address``, or None."""
        for segment in self.segments:
            if segment.address <= address < segment.address + segment.memory_size:
                return segment
        return None

    def read_at(self, address: int, size: int) -> memoryview:
        """``size`` bytes at the link-time ``address``; zeros where the file holds none (.bss).

        Raises :class:`BadInput` when the range is not inside one segment.
        """
        segment = self.find(address)
        if segment is None or address + size > segment.address + segment.memory_size:
            raise BadInput(f"{self.where}: no {size} bytes at {address:#x} in this image", REMEDY)
        start = address - segment.address
        known = self.data[segment.offset + start : segment.offset + min(start + size, segment.file_size)]
        return known if len(known) == size else memoryview(bytes(known).ljust(size, b"\0"))

    def read_up_to(self, address: int, size: int) -> bytes:
        """At most ``size`` bytes at ``address``: fewer where the segment ends, none outside of it."""
        segment = self.find(address)
        if segment is None:
            return b""
        return bytes(self.read_at(address, min(size, segment.address + segment.memory_size - address)))

    def address_of(self, offset: int) -> int | None:
        """The link-time address of the byte at file ``offset``, or None when it is not loaded."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.file_size:
                return segment.address + offset - segment.offset
        return None

    @cached_property
    def build_id(self) -> bytes | None:
        """The GNU build-id, or None when the kernel was linked without one."""
        return notes.build_id(self.notes)

    @cached_property
    def _uts(self) -> tuple[str, str]:
        """Release and version as in ``init_uts_ns``, which is what uname(2) answers."""
        found = []
        for hit in re.finditer(rb"Linux\0{60}", self.buffer):
            fields = [
                bytes(self.data[at : at + _UTS_FIELD]).split(b"\0")[0].decode("utf-8", "replace")
                for at in range(hit.start(), hit.start() + 5 * _UTS_FIELD, _UTS_FIELD)
            ]
            if fields[4] == "x86_64" and fields[2]:
                found.append((fields[2], fields[3]))
        # init/version.c leaves a weak copy with "# SMP ..." behind; the final one is "#1 SMP ...".
        for release, version in found:
            if re.match(r"#\d", version):
                return release, version
        if found:
            return found[0]
        raise BadInput(f"{self.where}: no version strings found in the image", REMEDY)

    @property
    def uts_release(self) -> str:
        """What ``uname -r`` prints on this kernel.  Raises :class:`BadInput` when not found."""
        return self._uts[0]

    @property
    def uts_version(self) -> str:
        """What ``uname -v`` prints on this kernel.  Raises :class:`BadInput` when not found."""
        return self._uts[1]

    @cached_property
    def version_banner(self) -> str:
        """``linux_banner``: the first line of the kernel log, with compiler and build host; "" if absent."""
        release, version = (re.escape(text.encode()) for text in self._uts)
        hit = re.search(rb"Linux version " + release + rb" [^\0\n]* " + version, self.buffer)
        return hit.group().decode("utf-8", "replace") if hit else ""


def _letter(flags: int, section: int) -> str:
    """The upper-case letter that nm(1) gives to a symbol in a section with these flags."""
    if section >= 0xFF00:
        return "A"
    if flags & _SHF_EXECINSTR:
        return "T"
    return "D" if flags & _SHF_WRITE else "R"
