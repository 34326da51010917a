"""What symbol names tell: predicates as vocabulary, each with the kernel symbol that needs it."""

from __future__ import annotations

import re

__all__ = [
    "base_name",
    "compiler_number",
    "has_compiler_number",
    "holds_objects",
    "is_cold_child",
    "is_compiler_constant",
    "is_filled_when_linked",
    "is_init_section",
    "is_never_called_through",
    "is_not_identity",
    "is_prefix_symbol",
    "parent_name",
    "prefixed_name",
]

_NUMBERS = re.compile(r"\.\d+(?=\.|$)")
# 7.2 writes "_" before the number; the one of __BTF_ID__func__foo__12 has a line in it (linux/btf_ids.h)
_UNIQUE = re.compile(r"(.*?__UNIQUE_ID_.*?|__BTF_ID__\w+?__)_?\d+$")
# labels of clang's constants and of what -fsanitize writes, as the names of sections end with them
_LABEL = re.compile(r"(\.L(?:__unnamed_|ubsan_data|ubsan_type|ASAN|ASANLOC))\d+$")
_CHILD = re.compile(r"^(.+?)\.(?:part|cold)(?:\.|$)")
_COLD = re.compile(r"\.cold(?:\.\d+)?$")
_PREFIXES = ("__pfx_", "__cfi_")

# Each is one object per use of a macro; a fresh copy in a hot patch behaves the same.
_NOT_IDENTITY = {
    "__key",  # lockdep class of one mutex_init() place
    "__warned",  # WARN_ON_ONCE before 4.14
    "__already_done",  # DO_ONCE_LITE, printk_once
    "__print_once",
    "_rs",  # printk_ratelimited
    "descriptor",  # pr_debug
    "__UNIQUE_ID_ddebug",  # pr_debug since 5.9
    "_entry",  # printk index
    "_entry_ptr",
    "___tp_str",  # tracepoint_string()
    "__pi_entry",
    "_alloc_tag",  # memory allocation profiling
}
_CONSTANTS = ("__func__", "__FUNCTION__", "__PRETTY_FUNCTION__", "CSWTCH", "switch.table.", ".LC", ".L", "__const.")

_HOLDS_OBJECTS = (
    ".data",
    ".rodata",
    ".bss",
    ".init.data",
    ".init.rodata",
    ".ref.data",
    ".sdata",
    "__dyndbg",
    "__verbose",
    ".lrodata",
    "alloc_tags",
)


def base_name(name: str) -> str:
    """``name`` without the numbers that compilers give: ``foo.isra.0.cold`` -> ``foo.isra.cold``."""
    plain = _LABEL.sub(r"\1", _NUMBERS.sub("", name)) if "." in name else name
    unique = _UNIQUE.match(plain)
    return unique.group(1) if unique else plain


def has_compiler_number(name: str) -> bool:
    """Whether the number in ``name`` may differ between two compilations (``count.3``)."""
    return base_name(name) != name


def compiler_number(name: str) -> int:
    """The last number in ``name`` that the compiler gave, in the order of declaration; -1 when it gave none."""
    match = re.search(r"\.(\d+)$|__UNIQUE_ID_.*?(\d+)$", name)
    return int(match.group(1) or match.group(2)) if match else -1


def is_not_identity(name: str) -> bool:
    """Whether no code depends on which copy of the object it sees (``__warned.5``)."""
    base = base_name(name)
    return base in _NOT_IDENTITY or base.rsplit(".", 1)[-1] in _NOT_IDENTITY or is_compiler_constant(name)


def is_compiler_constant(name: str) -> bool:
    """Whether the compiler made a constant of its own (``CSWTCH.17``, ``__func__.2``, clang's ``f.__func__``)."""
    base = base_name(name)
    return base.startswith(_CONSTANTS) or base.rsplit(".", 1)[-1] in (
        "__func__",
        "__FUNCTION__",
        "__PRETTY_FUNCTION__",
    )


def holds_objects(section: str) -> bool:
    """Whether variables and constants lie in the section, other than in tables that the kernel reads on its own."""
    return section.startswith(_HOLDS_OBJECTS)


def is_cold_child(name: str) -> bool:
    """Whether ``name`` is the unlikely half of a function, reached by a jump (``foo.cold``)."""
    return bool(_COLD.search(name))


def parent_name(name: str) -> str | None:
    """The function that ``foo.part.0`` or ``foo.cold`` was split from, or None."""
    match = _CHILD.match(name)
    return match.group(1) if match else None


def is_prefix_symbol(name: str) -> bool:
    """Whether it names the padding before a function (``__pfx_foo``, ``__cfi_foo``)."""
    return name.startswith(_PREFIXES)


def prefixed_name(name: str) -> str:
    """The function that a prefix symbol belongs to."""
    return name[len("__pfx_") :]


def is_filled_when_linked(section: str) -> bool:
    """Whether the contents are written when the kernel is linked: a copy would hold nothing (resolve_btfids)."""
    return section == ".BTF_ids"


def is_never_called_through(section: str) -> bool:
    """Whether its addresses are for looking up only: objtool leaves the functions' landing pads out of account, too.

    Notes to linker, objtool and unwinder, ``__ADDRESSABLE()``, ``NOKPROBE_SYMBOL()``, ``ALLOW_ERROR_INJECTION()``
    (tools/objtool/check.c, validate_ibt()).
    """
    if section.startswith((".discard", ".eh_frame", ".sframe")):
        return section != ".discard.ibt_endbr_noseal"
    return section in ("_kprobe_blacklist", "_error_injection_whitelist")


def is_init_section(name: str) -> bool:
    """Whether the kernel frees or discards the section after it ran (``.init.text``, ``.exit.text``)."""
    return name.startswith((".init.", ".exit.", ".head.text", ".meminit", ".memexit", ".ref.init"))
