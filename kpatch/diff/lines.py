"""Code that differs in nothing but ``__LINE__``.

A line added at the top of a file moves the numbers that might_sleep(), WARN() and printk()
carry below it.  An immediate counts as a line number only with a witness: the callee takes
``__LINE__`` by its macro, a ``__FILE__`` string goes to the same call, or the bug table of
the same objects moved by the same distance.
"""

from __future__ import annotations

import re

from kpatch.arch.decode import Instruction, disassemble
from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity, Ref

__all__ = ["moved_lines", "only_lines_differ"]

_BY_MACRO = {
    "__might_sleep",
    "___might_sleep",
    "__might_resched",
    "__might_fault",
    "__cant_sleep",
    "__cant_migrate",
    "lockdep_rcu_suspicious",
    "warn_slowpath_fmt",
    "warn_slowpath_null",
    "warn_slowpath_fmt_taint",
    "__btrfs_abort_transaction",
    "__btrfs_handle_fs_error",
    "__btrfs_panic",
}
_WITH_WITNESS = {"_printk", "printk", "__warn_printk", "_printk_deferred", "printk_deferred", "panic"}
_IMMEDIATE = re.compile(r"^(e\w\w?|r\d+d), (0x[0-9a-f]+|\d+)$")
_FILE_NAME = re.compile(rb"[\w./-]+\.[chS]\0$")
_LINE_MAX = 1 << 20


def moved_lines(comparer: Comparer) -> set[int]:
    """By how many lines the bug table entries of paired functions moved; 0 is left out."""
    moves: set[int] = set()
    for patched, original in comparer.twins.original.items():
        if not patched.is_function:
            continue
        old, new = comparer.tables[0].entries_of(original), comparer.tables[1].entries_of(patched)
        for a, b in zip(old, new):
            field = a.special.ignore.get(a.stop - a.start)
            if a.special is b.special and field is not None and len(old) == len(new):
                start, stop = field
                before = int.from_bytes(a.section.data[a.start + start : a.start + stop], "little")
                after = int.from_bytes(b.section.data[b.start + start : b.start + stop], "little")
                moves.add(after - before)
    return moves - {0}


def only_lines_differ(comparer: Comparer, a: Entity, b: Entity, moves: set[int]) -> bool:
    """Whether functions ``a`` and ``b``, whose references mean the same, differ in line numbers only."""
    old, new = comparer.o.body_of(a), comparer.p.body_of(b)
    if len(old.data) != len(new.data):
        return False
    one, other = list(disassemble(old.data)), list(disassemble(new.data))
    if len(one) != len(other) or not one or sum(one[-1][:2]) != len(old.data):
        return False
    refs = {at: ref for at, _, ref in new.refs}
    for number, (x, y) in enumerate(zip(one, other)):
        if old.data[x[0] : x[0] + x[1]] == new.data[y[0] : y[0] + y[1]]:
            continue
        move = _immediate_move(x, y)
        if not move or not _is_line(other, number, refs, move, moves):
            return False
    return True


def _immediate_move(x: Instruction, y: Instruction) -> int:
    """By how much the immediate of ``mov $imm, %reg`` differs; 0 when it is anything else."""
    if x[:3] != y[:3] or x[2] != "mov":
        return 0
    a, b = _IMMEDIATE.match(x[3]), _IMMEDIATE.match(y[3])
    if not a or not b or a.group(1) != b.group(1):
        return 0
    before, after = int(a.group(2), 0), int(b.group(2), 0)
    return after - before if 0 < before < _LINE_MAX and 0 < after < _LINE_MAX else 0


def _is_line(code: list[Instruction], number: int, refs: dict[int, Ref], move: int, moves: set[int]) -> bool:
    call = next((index for index in range(number + 1, len(code)) if code[index][2] == "call"), None)
    if call is None:
        return False
    target = refs.get(code[call][0] + 1)
    name = target.target if target is not None and target.kind == "ext" else ""
    if name in _BY_MACRO:
        return True
    return name in _WITH_WITNESS and (move in moves or _passes_file(code, call, refs))


def _passes_file(code: list[Instruction], call: int, refs: dict[int, Ref]) -> bool:
    """Whether a ``__FILE__`` string is loaded between the previous call and this one."""
    first = next((index for index in range(call - 1, -1, -1) if code[index][2] == "call"), -1)
    for offset, size, _, _ in code[first + 1 : call]:
        for at in range(offset, offset + size):
            ref = refs.get(at)
            if ref is not None and ref.kind == "str" and _FILE_NAME.fullmatch(bytes(ref.target)):  # type: ignore[arg-type]
                return True
    return False
