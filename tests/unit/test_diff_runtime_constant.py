"""Constants that the kernel writes into its own code when it starts: a hot patch reads the variable instead."""

from __future__ import annotations

import pytest

from kpatch.arch.x86_64 import X86_64
from tests.golden.corpus import Item

REGISTERS = [
    *(f"r{name}" for name in ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")),
    *(f"r{n}" for n in range(8, 16)),
]


@pytest.mark.parametrize("number", range(16), ids=REGISTERS)
def test_a_load_into_each_register_is_replaced(number: int) -> None:
    constant = bytes((0x48 | number >> 3, 0xB8 | number & 7)) + 0x0123456789ABCDEF.to_bytes(8, "little")
    code = b"\x90" + constant + b"\xc3"
    ((_, _, mnemonic, operands),) = list(X86_64.disassemble(constant))
    assert (mnemonic, operands.split(",")[0]) == ("movabs", REGISTERS[number])
    found = X86_64.load_instead(code, 3)
    assert found is not None
    start, load, field = found
    assert (start, len(load), field) == (1, 10, 4)
    assert [(mnemonic, operands) for _, _, mnemonic, operands in X86_64.disassemble(load)] == [
        ("mov", f"{REGISTERS[number]}, qword ptr [rip]"),
        ("nop", "dword ptr [rax]"),
    ]


@pytest.mark.parametrize("code", [b"\xc1\xe8\x0c\xc3", b"\x48\xb8\x01", b"\x48\xc7\xc0" + bytes(8)])
def test_anything_else_is_not(code: bytes) -> None:
    assert X86_64.load_instead(code, 2) is None


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_variable_is_referred_to(compiler: str) -> None:
    result = Item("runtime-constant", compiler).diff()
    assert result.out is not None
    assert not [section.name for section in result.out.sections if section.name.startswith("runtime_")]
    function = result.out.symbol("f")
    assert function is not None and function.section is not None
    (reloc,) = [reloc for reloc in function.section.relocs if reloc.symbol.name == "limit"]
    assert (reloc.type, reloc.addend, reloc.symbol.is_undefined) == (X86_64.r_pc32, -4, True)
    assert b"\xef\xcd\xab\x89" not in function.section.data
