"""Code that differs in nothing but ``__LINE__``.

A line added at the top of a file moves the numbers that might_sleep(), WARN() and printk()
carry below it.  An immediate counts as a line number only with a witness: the callee takes
``__LINE__`` by its macro as just this argument, or the format of the message prints it as a
line (``%s:%d``, ``line %d``) behind ``__FILE__`` or ``__func__``, or the last line known before it moved by
just as much.  Everything else is a change: then too much is replaced, never too little.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict

from kpatch.arch.machine import Instruction, Syntax
from kpatch.diff.compare import Comparer, as_text
from kpatch.diff.model import Entity, Ref, View
from kpatch.diff.moves import Moves
from kpatch.diff.names import base_name
from kpatch.elf import const as c

__all__ = ["only_lines_differ"]

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
    "__ext4_journal_start_sb": 1,  # until 6.2; what has come there since is a pointer
    "__btrfs_abort_transaction": 2,
    "__btrfs_handle_fs_error": 2,
    "__btrfs_panic": 2,
}
#: the same, where other arguments are numbers in other releases (ext4_jbd2.h, ext4.h): only with a witness
_LINE_IN_ONE_OF = {"__ext4_journal_start_sb": (2,), "__ext4_new_inode": (8, 9)}
#: functions whose names begin so take ``__LINE__`` behind ``__func__`` by their macros
_BEHIND_FUNCTION = ("__ext4_",)
#: functions that print, with the argument that is the format
_FORMAT_ARGUMENT = {
    **dict.fromkeys(("_printk", "printk", "_printk_deferred", "printk_deferred", "__warn_printk", "panic"), 0),
    **dict.fromkeys(("_dev_err", "_dev_warn", "_dev_info", "_dev_notice", "__dynamic_pr_debug"), 1),
}
_CONVERSION = re.compile(rb"%[-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|t)?([a-zA-Z%])")
#: what stands before a line number: ``%s:%d``, ``line %d``
_SAYS_LINE = re.compile(rb"(?:[:#@(]|\bline[:=]? ?)$", re.I)
_FILE = re.compile(rb"\w\.[ch](?:\0|:%)")
_NAME = re.compile(rb"[A-Za-z_]\w*\0")
_LINE_MAX = 1 << 20


def only_lines_differ(comparer: Comparer, a: Entity, b: Entity, moves: Moves) -> bool:
    """Whether functions ``a`` and ``b``, whose references mean the same, differ in line numbers only."""
    old, new = comparer.o.body_of(a), comparer.p.body_of(b)
    if len(old.data) != len(new.data):
        return False
    machine = comparer.p.machine
    one, other = list(machine.disassemble(old.data)), list(machine.disassemble(new.data))
    if len(one) != len(other) or not one or sum(one[-1][:2]) != len(old.data):
        return False
    place = _Function(comparer.p, b, {at: as_text(comparer.p, ref) for at, _, ref in new.refs}, other)
    for number, (x, y) in enumerate(zip(one, other)):
        if old.data[x[0] : x[0] + x[1]] == new.data[y[0] : y[0] + y[1]]:
            continue
        numbers = _immediates(machine.syntax, x, y)
        if numbers is None or not _is_line(place, number, moves.has(numbers[0], numbers[1] - numbers[0])):
            return False
    return True


def _immediates(syntax: Syntax, x: Instruction, y: Instruction) -> tuple[int, int] | None:
    """The two constants that are loaded into one register, or pushed; None when the instructions differ otherwise."""
    if x[:3] != y[:3] or x[2] not in syntax.loads | syntax.pushes:
        return None
    a, b = syntax.immediate.fullmatch(x[3]), syntax.immediate.fullmatch(y[3])
    if not a or not b or a.group(1) != b.group(1):
        return None
    before, after = int(a.group(2), 0), int(b.group(2), 0)
    return (before, after) if 0 < before < _LINE_MAX and 0 < after < _LINE_MAX and before != after else None


def _is_line(place: _Function, number: int, moved: bool) -> bool:
    """Whether instruction ``number`` loads the line that the next call is told."""
    way = place.way(number)
    name = place.callee(way[-1]) if way else ""
    argument = place.argument(way[:-1]) if name else None
    if argument is None:
        return False
    if name in _LINE_ARGUMENT or name in _LINE_IN_ONE_OF:
        return argument == _LINE_ARGUMENT.get(name) or (moved and argument in _LINE_IN_ONE_OF.get(name, ()))
    loaded = place.loaded(way[:-1])
    before = loaded.get(argument - 1)
    if name.startswith(_BEHIND_FUNCTION):
        return before is not None and (_names_place(before, place.name) or _is_name(before))
    if name not in _FORMAT_ARGUMENT:
        told = before is not None and (_names_place(before, place.name) if moved else place.is_own_file(before))
        return told and not any(_is_format(ref) for ref in loaded.values())
    text = loaded.get(_FORMAT_ARGUMENT[name])
    if text is None or not (moved or any(ref is not None and _names_place(ref, place.name) for ref in (before, text))):
        return False
    return _is_told_as_line(text, argument - _FORMAT_ARGUMENT[name] - 1, moved)


class _Function:
    """The code of one patched function, read around a call."""

    def __init__(self, view: View, function: Entity, refs: dict[int, Ref], code: list[Instruction]) -> None:
        self.name = function.name
        self._syntax = view.machine.syntax
        self._files = {symbol.name for symbol in view.obj.symbols if symbol.type == c.STT_FILE}
        self._refs = refs
        self._code = code

    def way(self, number: int) -> list[int]:
        """The instructions from ``number`` to the next call or branch, both included; empty when nothing ends it.

        A jump that is always taken is followed: clang lets several places share one call.
        """
        way, at = [number], number + 1
        for _ in self._code:
            if at >= len(self._code):
                break
            mnemonic = self._code[at][2]
            if not self._syntax.leaves.fullmatch(mnemonic):
                way.append(at)
                at += 1
            elif (inside := self._jumps_to(at)) is not None:
                at = bisect_left(self._code, (inside, 0, "", ""))
            else:
                return [*way, at]
        return []

    def _jumps_to(self, number: int) -> int | None:
        """Where a jump inside of the function goes that is always taken."""
        offset, _, mnemonic, operands = self._code[number]
        if mnemonic not in self._syntax.jumps or offset + self._syntax.branch_field in self._refs:
            return None
        return self._syntax.destination(mnemonic, operands)

    def callee(self, call: int) -> str:
        """The name of the function that instruction ``call`` calls, here or elsewhere; empty when it is none."""
        target = self._refs.get(self._code[call][0] + self._syntax.branch_field)
        if target is None:
            return ""
        return target.target.name if isinstance(target.target, Entity) else str(target.target) * (target.kind == "ext")

    def argument(self, steps: list[int]) -> int | None:
        """Which argument of the call behind ``steps`` the first of them sets, from 0; None when none."""
        first, *rest = steps
        if self._pushes(first):
            moved = any(self._syntax.pops.fullmatch(" ".join(self._code[at][2:])) for at in rest)
            return None if moved else len(self._syntax.arguments) + sum(map(self._pushes, rest))
        argument = self._register(first)
        return None if any(self._register(at) == argument for at in rest) else argument

    def _pushes(self, number: int) -> bool:
        return self._code[number][2] in self._syntax.pushes

    def _register(self, number: int) -> int | None:
        """Which argument's register instruction ``number`` writes, from 0."""
        return self._argument(self._code[number][3].partition(",")[0])

    def _argument(self, register: str) -> int | None:
        """Which argument is in ``register``, from 0."""
        return next((at for at, names in enumerate(self._syntax.arguments) if register in names), None)

    def loaded(self, steps: list[int]) -> dict[int, Ref]:
        """What addresses the call behind ``steps`` is told, as far as these and what stands before them say."""
        start = steps[0]
        while start and not self._syntax.leaves.fullmatch(self._code[start - 1][2]):
            start -= 1
        loaded: dict[int, Ref] = {}
        written: set[int] = set()
        copies: dict[int, set[int]] = defaultdict(set)  # by argument: those that its register is copied to later on
        pushed = 0
        for number in reversed([*range(start, steps[0]), *steps]):
            offset, size, mnemonic, operands = self._code[number]
            argument = self._register(number) if mnemonic in self._syntax.loads else None
            if self._pushes(number):
                argument = len(self._syntax.arguments) + pushed
                pushed += 1
            if argument is None:
                continue
            ref = next((self._refs[at] for at in range(offset, offset + size) if at in self._refs), None)
            told = copies.pop(argument, set()) | ({argument} - written)
            written.add(argument)
            source = self._argument(operands.rpartition(", ")[2])
            if ref is not None:
                loaded.update(dict.fromkeys(told, ref))
            elif source is not None:
                copies[source] |= told
        return loaded

    def is_own_file(self, ref: Ref) -> bool:
        """Whether the string ``ref`` is the path of the file that was compiled."""
        return (
            isinstance(ref.target, bytes)
            and ref.target[:-1].decode("utf-8", "replace").rpartition("/")[2] in self._files
        )


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


def _is_told_as_line(text: Ref, value: int, moved: bool) -> bool:
    """Whether the format ``text`` prints its argument ``value`` (from 0) as a line number.

    ``%s: %d`` may as well print any other number: there a line that is known must have moved by as much.
    """
    if text.kind != "str" or not isinstance(text.target, bytes) or b"*" in text.target:
        return False
    conversions = [match for match in _CONVERSION.finditer(text.target) if match.group(1) != b"%"]
    if not 0 <= value < len(conversions) or conversions[value].group(1) not in (b"d", b"u", b"i"):
        return False
    start = conversions[value - 1].end() if value else 0
    between = text.target[start : conversions[value].start()]
    if _SAYS_LINE.search(between):
        return value > 0 or b"ine" in between or bool(_FILE.search(text.target))
    return moved and value > 0 and conversions[value - 1].group(1) == b"s" and not between.strip(b" :,-")
