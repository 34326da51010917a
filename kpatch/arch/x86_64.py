"""x86_64. Relocations: x86-64 psABI 4.4.1; sections: arch/x86 and tools/objtool of Linux 4.12 to 7.2."""

from __future__ import annotations

import re
from typing import Final

from kpatch.arch.machine import Machine, Special, Syntax
from kpatch.elf.const import EM_X86_64

__all__ = ["X86_64"]

R_NONE: Final = 0
R_64: Final = 1
R_PC32: Final = 2
R_PLT32: Final = 4
R_32: Final = 10
R_32S: Final = 11
R_16: Final = 12
R_PC16: Final = 13
R_8: Final = 14
R_PC8: Final = 15
R_PC64: Final = 24
R_GOTPCREL: Final = 9
R_GOTPCRELX: Final = 41
R_REX_GOTPCRELX: Final = 42

_SPECIALS = (
    # asm/alternative.h: 12 bytes since 5.9 and before 4.12's padlen, 13 with padlen, 14 since 6.3 (32 bit flags)
    Special(".altinstructions", (12, 14, 13), blobs={4: {12: 11, 13: 11, 14: 13}}),
    Special(".smp_locks", (4,), derived=True),
    # asm/paravirt.h: pointer, type, length and, before 5.2, clobbers; padded to 8
    Special(".parainstructions", (16,), short_tail=True, align=8),
    # asm/bug.h: address, file, line, flags; a format before the file since 6.19; 6 bytes without BUGVERBOSE;
    # the file counts from the entry before 5.19 (``%c0 - 2b``)
    Special("__bug_table", (12, 16, 6), ignore={12: (8, 10), 16: (12, 14)}, from_start=4),
    # asm/extable.h: instruction, fixup, type or handler
    Special("__ex_table", (12, 8), blobs={4: None}),
    # asm/jump_label.h: relative (4.20+) or absolute
    Special("__jump_table", (16, 24), key={16: 8, 24: 16}, align=8),
    Special(".static_call_sites", (8,), key={8: 4}),
    Special(".call_sites", (4,), derived=True),
    Special(".retpoline_sites", (4,), derived=True),
    Special(".return_sites", (4,), derived=True),
    Special(".cfi_sites", (4,), derived=True),
    Special(".kcfi_traps", (4,), derived=True),
    Special(".ibt_endbr_seal", (4,), derived=True, drop=True, reason="hot patches keep their landing pads"),
    Special("__mcount_loc", (8,), derived=True, align=8),
    Special("__patchable_function_entries", (8,), derived=True, align=8),
    Special(".orc_unwind_ip", (4,), derived=True),
)
# asm/runtime-const.h (6.11): runtime_ptr_SYMBOL, runtime_shift_SYMBOL; entries lead to the constant in the instruction
_RUNTIME_CONSTANTS = Special("runtime_", (4,), constant=True)

# Intel syntax; argument registers: x86-64 psABI 3.2.3
_SYNTAX = Syntax(
    engine=("CS_ARCH_X86", "CS_MODE_64"),
    branch=re.compile(r"j\w+|call"),
    leaves=re.compile(r"(?:bnd |notrack |repz? )?(?:j\w+|call|ret)"),
    jumps=frozenset({"jmp"}),
    fillers=frozenset({"nop", "data16 nop", "int3"}),
    nops=re.compile(r"(?:data16 )?nop(?: .*)?|xchg ax, ax"),
    loads=frozenset({"mov", "movabs", "lea"}),
    pushes=frozenset({"push"}),
    pops=re.compile(r"pop .*|\w+ rsp, .*"),
    immediate=re.compile(r"(?:(e\w\w?|r\d+d), )?(0x[0-9a-f]+|\d+)"),
    address=re.compile(r"(0x[0-9a-f]+|\d)"),  # below 10 in decimal
    branch_field=1,  # behind E8, E9
    register=re.compile(r"\b(?:r\d+[dwb]?|[er]?[abcd]x|[abcd][lh]|[er]?(?:si|di|bp)|(?:si|di|bp)l)\b"),
    arguments=tuple(
        map(frozenset, (("edi", "rdi"), ("esi", "rsi"), ("edx", "rdx"), ("ecx", "rcx"), ("r8d", "r8"), ("r9d", "r9")))
    ),
)

# Operands as capstone writes them: a memory operand, a number at the end
_MEMORY = re.compile(r"\[([^\]]*)\]")
_NUMBER = re.compile(r"(?:^|, )-?(?:0x[0-9a-f]+|\d+)$")

# Opcodes whose ModRM operand is followed by an immediate, by map; the value tells its size:
# 1 byte, or 4 bytes (2 with an operand size prefix).  Intel SDM volume 2, appendix A.
_IMM_ONE_BYTE = {0x69: 4, 0x6B: 1, 0x80: 1, 0x81: 4, 0x83: 1, 0xC0: 1, 0xC1: 1, 0xC6: 1, 0xC7: 4, 0xF6: 1, 0xF7: 4}
_IMM_0F = {0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6}


def _may_have_immediate(code: bytes, modrm: int) -> bool:
    """Whether the bytes before ``modrm`` could be an opcode that an immediate follows."""
    opcode = code[modrm - 1] if modrm >= 1 else 0
    return opcode in _IMM_ONE_BYTE or opcode in _IMM_0F or (modrm >= 3 and code[modrm - 2] == 0x3A)


def pc_bias(code: bytes, start: int, field: int) -> int:
    """Bytes from the 32 bit field at ``field`` to the end of its instruction.

    A place-relative reference's addend holds minus this number besides the offset into the
    target; it is 4 except when an immediate follows the field.  ``start`` is the beginning of
    the function that the field lies in.  Raises ValueError when the code cannot be decoded.
    """
    modrm = field - 1
    if modrm < start or (code[modrm] & 0xC7) != 0x05 or not _may_have_immediate(code, modrm):
        return 4
    return _decoded_bias(code, start, field)


def _decoded_bias(code: bytes, start: int, field: int) -> int:
    from kpatch.arch.decode import boundaries

    for offset, size in boundaries(_SYNTAX.engine, code, start):
        if offset < field < offset + size:
            return offset + size - field
        if offset > field:
            break
    raise ValueError(f"no instruction holds the field at {field:#x}")


def is_branch(code: bytes, field: int) -> bool:
    """Whether the 32 bit field at ``field`` belongs to call, jmp or jcc (SDM volume 2, E8, E9, 0F 80 to 8F)."""
    if field >= 1 and code[field - 1] in (0xE8, 0xE9):
        return True
    return field >= 2 and code[field - 2] == 0x0F and code[field - 1] & 0xF0 == 0x80


def load_instead(code: bytes, field: int) -> tuple[int, bytes, int] | None:
    """Turn ``movabs $imm64, %reg`` with its constant at ``field`` into ``mov rel(%rip), %reg`` and a nop (SDM MOV)."""
    start = field - 2
    if start < 0 or field + 8 > len(code) or code[start] & 0xFE != 0x48 or code[start + 1] & 0xF8 != 0xB8:
        return None
    high, register = code[start] & 1, code[start + 1] & 7
    return start, bytes((0x48 | high << 2, 0x8B, register << 3 | 5, 0, 0, 0, 0)) + b"\x0f\x1f\x00", start + 3


def is_indexed(code: bytes, field: int) -> bool:
    """Whether the 32 bit field at ``field`` is a displacement without base register (SDM volume 2, table 2-3)."""
    return field >= 2 and code[field - 1] & 7 == 5 and code[field - 2] & 0xC7 == 4


def addressing(code: bytes, start: int, field: int) -> str:
    """What the 32 bit field at ``field`` is to its instruction (``[rip + 4]``, ``[rax*8 - 4]``, ``4``)."""
    for offset, size, mnemonic, operands in X86_64.disassemble(code, start):
        if offset <= field < offset + size:
            memory = _MEMORY.search(operands)
            # an instruction ends with its immediate
            is_immediate = field + 4 == offset + size and _NUMBER.search(operands)
            if memory is None or mnemonic == "lea" or is_immediate:
                return "address"
            return "indexed" if _SYNTAX.register.search(memory[1]) else "direct"
    return "address"


X86_64: Final = Machine(
    name="x86_64",
    e_machine=EM_X86_64,
    syntax=_SYNTAX,
    known_types=range(52),
    width={R_NONE: 0, R_64: 8, R_PC32: 4, R_PLT32: 4, R_32: 4, R_32S: 4, R_PC64: 8, R_GOTPCREL: 4}
    | {R_GOTPCRELX: 4, R_REX_GOTPCRELX: 4, R_16: 2, R_8: 1, R_PC8: 1, R_PC16: 2},
    pc_relative=frozenset({R_PC32, R_PLT32, R_PC64, R_PC8, R_PC16, R_GOTPCREL, R_GOTPCRELX, R_REX_GOTPCRELX}),
    branch=frozenset({R_PLT32}),
    same_meaning={R_PLT32: R_PC32},
    r_abs64=R_64,
    r_pc32=R_PC32,
    r_branch=R_PLT32,
    specials={special.name: special for special in _SPECIALS},
    families=(_RUNTIME_CONSTANTS,),
    fragment_sections=frozenset({".altinstr_replacement", ".altinstr_aux", ".fixup", ".text..refcount"}),
    # not __patchable_function_entries: that is the padding in front, which notrace functions have too
    profiling_tables=frozenset({"__mcount_loc"}),
    profiling_calls=frozenset({"__fentry__", "mcount"}),
    landing_pads=(b"", b"\xf3\x0f\x1e\xfa"),
    # int3, and nops of 1 to 15 bytes with any prefixes (SDM volume 2, NOP)
    padding=re.compile(
        rb"(?:\xcc|[\x66\x2e]*(?:\x90|\x0f\x1f(?:\x00|\x40.|\x44..|\x80....|\x84.....)))+\Z", re.DOTALL
    ),
    gap_bytes=frozenset({0xCC, 0x90, 0x00}),  # int3, nop, what the linker fills sections with
    jump_nops={0xE9: b"\x0f\x1f\x44\x00\x00", 0xEB: b"\x66\x90"},
    pc_bias=pc_bias,
    is_branch=is_branch,
    is_indexed=is_indexed,
    addressing=addressing,
    load_instead=load_instead,
)
