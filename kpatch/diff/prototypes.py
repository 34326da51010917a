"""Types of functions as kernels with kCFI check them: a hash in front of the function, read by each indirect call.

A pointer to a function of the running kernel leads to the original, whose hash is the old one; new
code that expects another type there would be stopped (clang's documentation of ``-fsanitize=kcfi``).
"""

from __future__ import annotations

from collections.abc import Iterator

from kpatch.arch.machine import Machine
from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity
from kpatch.diff.result import Refusal
from kpatch.diff.users import Users

__all__ = ["check_prototypes"]


def check_prototypes(comparer: Comparer, users: tuple[Users, Users]) -> Iterator[Refusal]:
    """Functions whose type hash differs, when somebody may call them through a pointer."""
    for patched, original in comparer.twins.original.items():
        if patched.is_function and _has_other_hash(comparer.o.machine, original, patched):
            pairs = zip(users, (original, patched))
            if not original.is_local or any(_is_pointed_to(who, function) for who, function in pairs):
                yield Refusal(
                    "changed-prototype",
                    original.name,
                    original.section.name,
                    f"{original.name}: {_what_differs(original)}, and calls through pointers check the type of the "
                    "running kernel's function (kCFI)",
                    "leave the type as it is, or give the patch a function of the new type under another name",
                )


def _what_differs(original: Entity) -> str:
    return "its type changes" if original.lead < original.start else "its address is taken, which no code did before"


def _has_other_hash(machine: Machine, a: Entity, b: Entity) -> bool:
    one, other = (function.section.data[function.lead : function.start] for function in (a, b))
    return one != other and _without_fillers(machine, one) != _without_fillers(machine, other)


def _without_fillers(machine: Machine, code: bytes) -> list[tuple[str, str]]:
    fillers = machine.syntax.fillers
    return [(mnemonic, operands) for _, _, mnemonic, operands in machine.disassemble(code) if mnemonic not in fillers]


def _is_pointed_to(users: Users, function: Entity) -> bool:
    return function in users.elsewhere or bool(users.pointers[function])
