"""Code that differs in nothing but ``__LINE__``.

A line added at the top of a file moves the numbers that might_sleep(), WARN() and printk()
carry below it.  An immediate counts as a line number only with a witness: the callee takes
``__LINE__`` by its macro as just this argument, or the format of the message prints it as a
line (``%s:%d``, ``line %d``) behind ``__FILE__`` or ``__func__``, or other lines of the object moved by
just as much.  Everything else is a change: then too much is replaced, never too little.
"""

from __future__ import annotations

import re

from kpatch.arch.decode import Instruction, disassemble
from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity, Ref
from kpatch.diff.names import base_name

__all__ = ["moved_lines", "only_lines_differ"]

#: functions that take ``__LINE__`` by their macros, with the argument that it is, from 0
_LINE_ARGUMENT = {
    "__might_sleep": 1,
    "___might_sleep": 1,
    "__might_resched": 1,
    "__might_fault": 1,
    "__cant_sleep": 1,
    "__cant_migrate": 1,
    "lockdep_rcu_suspicious": 1,
    "warn_slowpath_fmt": 1,
    "warn_slowpath_null": 1,
    "warn_slowpath_fmt_taint": 1,
    "__ext4_journal_start_reserved": 1,
    "__btrfs_abort_transaction": 2,
    "__btrfs_handle_fs_error": 2,
    "__btrfs_panic": 2,
}
#: the line was argument 1 until 6.2, is 2 since
_LINE_IN_ONE_OF = {"__ext4_journal_start_sb": (1, 2)}
#: functions whose names begin so take ``__LINE__`` behind ``__func__`` by their macros
_BEHIND_FUNCTION = ("__ext4_",)
#: functions that print, with the argument that is the format
_FORMAT_ARGUMENT = {
    **dict.fromkeys(("_printk", "printk", "_printk_deferred", "printk_deferred", "__warn_printk", "panic"), 0),
    **dict.fromkeys(("_dev_err", "_dev_warn", "_dev_info", "_dev_notice", "__dynamic_pr_debug"), 1),
}
_ARGUMENTS = (("edi", "rdi"), ("esi", "rsi"), ("edx", "rdx"), ("ecx", "rcx"), ("r8d", "r8"), ("r9d", "r9"))
_CONVERSION = re.compile(rb"%[-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|t)?([a-zA-Z%])")
#: what stands before a line number: ``%s:%d``, ``line %d``
_SAYS_LINE = re.compile(rb"(?:[:#@(]|\bline[:=]? ?)$", re.I)
_FILE = re.compile(rb"\w\.[ch](?:\0|:%)")
_NAME = re.compile(rb"[A-Za-z_]\w*\0")
_IMMEDIATE = re.compile(r"^(e\w\w?|r\d+d), (0x[0-9a-f]+|\d+)$")
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
        if not move or not _is_line(other, number, refs, b.name, move in moves):
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


def _is_line(code: list[Instruction], number: int, refs: dict[int, Ref], function: str, moved: bool) -> bool:
    """Whether instruction ``number`` of ``function`` loads the line that the next call is told."""
    call = next((at for at in range(number + 1, len(code)) if code[at][2][0] in "jcr" and _leaves(code[at][2])), None)
    target = refs.get(code[call][0] + 1) if call is not None else None
    name = _callee(target)
    if call is None or not name:
        return False
    register = code[number][3].partition(",")[0]
    argument = next((at for at, names in enumerate(_ARGUMENTS) if register in names), None)
    if argument is None or any(_writes(code[at], argument) for at in range(number + 1, call)):
        return False
    if name in _LINE_ARGUMENT:
        return argument == _LINE_ARGUMENT[name]
    if name in _LINE_IN_ONE_OF:
        return moved and argument in _LINE_IN_ONE_OF[name]
    loaded = _loaded(code, call, refs)
    before = loaded.get(argument - 1)
    if name.startswith(_BEHIND_FUNCTION):
        return before is not None and (_names_place(before, function) or _is_name(before))
    if name not in _FORMAT_ARGUMENT:
        return before is not None and _is_file(before) and not any(_is_format(ref) for ref in loaded.values())
    text = loaded.get(_FORMAT_ARGUMENT[name])
    if text is None or not (moved or any(ref is not None and _names_place(ref, function) for ref in (before, text))):
        return False
    return _is_told_as_line(text, argument - _FORMAT_ARGUMENT[name] - 1)


def _callee(target: Ref | None) -> str:
    """The name of the function that is called, here or elsewhere; empty when it is none."""
    if target is None:
        return ""
    return target.target.name if isinstance(target.target, Entity) else str(target.target) * (target.kind == "ext")


def _leaves(mnemonic: str) -> bool:
    return mnemonic[0] == "j" or mnemonic in ("call", "ret")


def _writes(instruction: Instruction, argument: int) -> bool:
    return instruction[3].partition(",")[0] in _ARGUMENTS[argument]


def _loaded(code: list[Instruction], call: int, refs: dict[int, Ref]) -> dict[int, Ref]:
    """What addresses the argument registers of ``call`` hold, as far as the code right before it tells."""
    loaded: dict[int, Ref] = {}
    for offset, size, mnemonic, operands in reversed(code[:call]):
        if _leaves(mnemonic):
            break
        register = operands.partition(",")[0]
        for argument, names in enumerate(_ARGUMENTS):
            ref = next((refs[at] for at in range(offset, offset + size) if at in refs), None)
            if register in names and ref is not None and mnemonic in ("mov", "movabs", "lea"):
                loaded.setdefault(argument, ref)
    return loaded


def _is_file(ref: Ref) -> bool:
    """Whether it is ``__FILE__`` by itself: as an argument, the line follows it (``xfs_error_report()``)."""
    return isinstance(ref.target, bytes) and ref.kind == "str" and ref.target.endswith((b".c\0", b".h\0"))


def _is_name(ref: Ref) -> bool:
    """Whether it is a text that can be ``__func__``, of a function that was inlined (clang keeps no symbol for it)."""
    return isinstance(ref.target, bytes) and bool(_NAME.fullmatch(ref.target))


def _is_format(ref: Ref) -> bool:
    return isinstance(ref.target, bytes) and b"%" in ref.target


def _names_place(ref: Ref, function: str) -> bool:
    """Whether it is what ``__FILE__`` or ``__func__`` stands for in ``function``, or a format with ``__FILE__``."""
    if ref.kind == "str" and isinstance(ref.target, bytes):
        return bool(_FILE.search(ref.target)) or ref.target == f"{base_name(function)}\0".encode()
    return ref.kind == "entity" and "__func__" in getattr(ref.target, "name", "")


def _is_told_as_line(text: Ref, value: int) -> bool:
    """Whether the format ``text`` prints its argument ``value`` (from 0) as a line number."""
    if text.kind != "str" or not isinstance(text.target, bytes) or b"*" in text.target:
        return False
    conversions = [match for match in _CONVERSION.finditer(text.target) if match.group(1) != b"%"]
    if not 0 <= value < len(conversions) or conversions[value].group(1) not in (b"d", b"u", b"i"):
        return False
    start = conversions[value - 1].end() if value else 0
    between = text.target[start : conversions[value].start()]
    if _SAYS_LINE.search(between):
        return value > 0 or b"ine" in between or bool(_FILE.search(text.target))
    return value > 0 and conversions[value - 1].group(1) == b"s" and not between.strip(b" :,-")
