"""ELF numbers that the model needs, by their names in the gABI."""

from __future__ import annotations

from typing import Final

ELF_MAGIC: Final = b"\x7fELF"
ELFCLASS64: Final = 2
ELFDATA2LSB: Final = 1
ELFDATA2MSB: Final = 2
ET_REL: Final = 1

SHT_NULL: Final = 0
SHT_PROGBITS: Final = 1
SHT_SYMTAB: Final = 2
SHT_STRTAB: Final = 3
SHT_RELA: Final = 4
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_REL: Final = 9
SHT_GROUP: Final = 17
SHT_SYMTAB_SHNDX: Final = 18

SHF_WRITE: Final = 0x1
SHF_ALLOC: Final = 0x2
SHF_EXECINSTR: Final = 0x4
SHF_MERGE: Final = 0x10
SHF_STRINGS: Final = 0x20
SHF_INFO_LINK: Final = 0x40
SHF_LINK_ORDER: Final = 0x80
SHF_GROUP: Final = 0x200
SHF_COMPRESSED: Final = 0x800
#: Linux, include/uapi/linux/elf.h: relocations and symbols that livepatch resolves, not the module loader
SHF_RELA_LIVEPATCH: Final = 0x00100000
SHN_LIVEPATCH: Final = 0xFF20

SHN_UNDEF: Final = 0
SHN_LORESERVE: Final = 0xFF00
SHN_ABS: Final = 0xFFF1
SHN_COMMON: Final = 0xFFF2
SHN_XINDEX: Final = 0xFFFF

STB_LOCAL: Final = 0
STB_GLOBAL: Final = 1
STB_WEAK: Final = 2

STT_NOTYPE: Final = 0
STT_OBJECT: Final = 1
STT_FUNC: Final = 2
STT_SECTION: Final = 3
STT_FILE: Final = 4
STT_TLS: Final = 6

EM_X86_64: Final = 62
