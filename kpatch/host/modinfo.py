"""What a kernel module says about itself, read from the file by a small ELF reader of our own.

The machine that is patched need not have pyelftools or kmod's modinfo.  docs/module-format.md has the fields.
"""

import lzma
import os
import re
import stat
import struct
from typing import Dict, Iterator, List, NamedTuple, Tuple

from kpatch.errors import BadInput

__all__ = ["MODULE_NAME", "ModInfo", "module_name", "read_modinfo"]

MODULE_NAME = re.compile(r"[A-Za-z0-9_]{1,55}")
"""Names that the kernel takes (MODULE_NAME_LEN is 56 on 64-bit machines); also safe as one path component."""

_MAX_BYTES = 256 << 20
_SHT_NOBITS = 8
_ET_REL = 1
_DAMAGED = "get the file anew: reinstall its package or build the patch again"


class ModInfo(NamedTuple):
    """One module file; ``fields`` are its modinfo entries, each key with all its values."""

    path: str
    fields: Dict[str, List[str]]

    def get(self, key: str, default: str = "") -> str:
        """The first value of ``key``."""
        return self.fields.get(key, [default])[0]

    @property
    def module(self) -> str:
        """The name that the module has in the kernel."""
        return self.get("name") or module_name(self.path)

    @property
    def release(self) -> str:
        """Release of the kernel that the module was built for."""
        return self.get("kpatch_kernel") or (self.get("vermagic").split() or [""])[0]

    @property
    def is_patch(self) -> bool:
        """Is it a hot patch: one of ours, or a livepatch module of another tool?"""
        return "kpatch" in self.fields or self.get("livepatch") == "Y"

    @property
    def interface(self) -> str:
        """``core`` (kpatch.ko) or ``livepatch`` (the kernel's own)."""
        return self.get("kpatch_interface") or ("livepatch" if self.get("livepatch") == "Y" else "core")

    @property
    def replaces(self) -> bool:
        """Does loading it take the place of all patches loaded before?"""
        return self.get("kpatch_replace", "1") == "1"

    @property
    def checksum(self) -> str:
        """Checksum of what the differ wrote, as the core module shows it; empty when unknown."""
        return self.get("kpatch_checksum")

    @property
    def cves(self) -> List[str]:
        """The CVE ids that the patch fixes."""
        return [cve for value in self.fields.get("kpatch_cves", []) for cve in re.split(r"[,\s]+", value) if cve]


def module_name(path: str) -> str:
    """The kernel's name for a module in ``path``: stem of the file name, ``-`` as ``_``."""
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def read_modinfo(path: str) -> ModInfo:
    """Read the ``.modinfo`` section of the module in ``path`` (plain or ``.xz``).

    Raises :class:`BadInput` when the file is missing, damaged or not a kernel module.
    """
    for name, body in _sections(path, _read(path)):
        if name == b".modinfo":
            fields: Dict[str, List[str]] = {}
            for entry in body.split(b"\0"):
                key, equals, value = entry.decode("utf-8", "replace").partition("=")
                if equals:
                    fields.setdefault(key, []).append(value)
            info = ModInfo(path, fields)
            if not MODULE_NAME.fullmatch(info.module):
                raise BadInput("{}: {!r} is no name for a kernel module".format(path, info.module))
            return info
    raise BadInput("{} is not a kernel module: it has no .modinfo section".format(path), "give a kpatch-*.ko file")


def _read(path: str) -> bytes:
    """The bytes of the module, unpacked."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise BadInput("{} is not a regular file".format(path), "give a kpatch-*.ko file")
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadInput("cannot read {}: {}".format(path, error.strerror), "check the path") from error
    if data.startswith(b"\xfd7zXZ\0"):
        data = _unpack_xz(path, data)
    elif data.startswith(b"\x28\xb5\x2f\xfd"):
        raise BadInput("{} is compressed with zstd, which cannot be read here".format(path), "unpack it: unzstd FILE")
    elif data.startswith(b"\x1f\x8b"):
        raise BadInput("{} is compressed with gzip, which cannot be read here".format(path), "unpack it: gunzip FILE")
    if len(data) > _MAX_BYTES:
        raise BadInput("{} is larger than any kernel module".format(path), "give a kpatch-*.ko file")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    """Open as ``open`` does, but a named pipe without a writer must not hold us up."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unpack_xz(path: str, data: bytes) -> bytes:
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data, _MAX_BYTES + 1)
    except lzma.LZMAError as error:
        raise BadInput("{} is damaged: {}".format(path, error), _DAMAGED) from error


def _sections(path: str, data: bytes) -> Iterator[Tuple[bytes, bytes]]:
    """Name and bytes of each section of a 64-bit relocatable object (gABI, chapter 4)."""
    if data[:4] != b"\x7fELF":
        raise BadInput("{} is not a kernel module: it is no ELF file".format(path), "give a kpatch-*.ko file")
    if len(data) < 64:
        raise BadInput("{} is damaged: the ELF header is cut off".format(path), _DAMAGED)
    order = ">" if data[5] == 2 else "<"
    e_type = struct.unpack_from(order + "H", data, 16)[0]
    if data[4] != 2 or e_type != _ET_REL:
        raise BadInput("{} is not a 64-bit kernel module".format(path), "give a kpatch-*.ko file")
    (e_shoff,) = struct.unpack_from(order + "Q", data, 0x28)
    e_shentsize, e_shnum, e_shstrndx = struct.unpack_from(order + "HHH", data, 0x3A)
    if e_shentsize != 64 or e_shoff + 64 * e_shnum > len(data) or e_shstrndx >= e_shnum:
        raise BadInput("{} is damaged: its section table lies outside the file".format(path), _DAMAGED)
    headers = [struct.unpack_from(order + "IIQQQQ", data, e_shoff + 64 * index) for index in range(e_shnum)]
    for _, sh_type, _, _, sh_offset, sh_size in headers:
        if sh_type != _SHT_NOBITS and sh_offset + sh_size > len(data):
            raise BadInput("{} is damaged: a section ends outside the file".format(path), _DAMAGED)
    names = data[headers[e_shstrndx][4] : headers[e_shstrndx][4] + headers[e_shstrndx][5]]
    for sh_name, sh_type, _, _, sh_offset, sh_size in headers:
        if sh_type != _SHT_NOBITS:
            yield names[sh_name:].split(b"\0", 1)[0], data[sh_offset : sh_offset + sh_size]
