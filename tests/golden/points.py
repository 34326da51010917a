"""What the corpus must show: for each point a pair that passes and one that is refused, by each compiler that can.

The first comment of a source names its points (``shows:``).  Where nothing about a point can be refused by itself,
the other pair is the one that looks alike and is a change, in code that nothing can replace (``unhookable``).
``python -m tests.golden.points`` prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.golden.corpus import Item, items

__all__ = ["POINTS", "compilers_of", "pairs_for"]

#: by what the differ does: the name of a point and what it stands for
POINTS: dict[str, dict[str, str]] = {
    "correlation": {
        "static-local": "static locals by the code that refers to them",
        "alias": "functions with several names",
        "isra": "foo.isra.0",
        "constprop": "foo.constprop.0",
        "part": "foo.part.0",
        "cold": "foo.cold",
        "lto-priv": "foo.lto_priv.0",
        "unique-id": "__UNIQUE_ID_foo7",
        "cswtch": "tables that the compiler makes of a switch over constants",
        "jump-table": "tables that a switch jumps by",
        "lc": "labels of the compiler's own that stay (.LC0, .L.str)",
        "label-table": "tables of labels that code jumps by (computed goto)",
        "clang-unnamed": "clang's unnamed constants",
        "comdat": "functions that several objects hold",
        "text-moves": "functions that move between .text, .text.unlikely and .text.hot",
        "static-global": "static against global",
        "prefix": "__pfx_foo, the padding in front",
        "asm-label": "code and data that a file-level asm() puts behind mere labels",
        "btf-id": "numbers and lines in the names of BTF ids",
        "cfi": "__cfi_foo, the type in front",
    },
    "comparison": {
        "strings": "strings by their contents",
        "section-symbol": "a section symbol plus an offset",
        "neighbours": "a section symbol plus an offset where one variable ends and the next begins",
        "line-warn": "the line of WARN() and BUG()",
        "line-printk": "the line in a message",
        "line-might-sleep": "the line that might_sleep() tells",
        "padding": "what lies between",
        "alignment": "where things begin",
        "jump-label": "jump labels",
        "alternatives": "alternatives",
    },
    "inclusion": {
        "closure": "all that is needed and nothing else",
        "pointer": "a pointer to a function stays a pointer to the original",
        "reached": "no changed function that nothing enters, and no way into an old body",
        "needed-strings": "only strings that included code uses",
    },
    "special sections": {
        "altinstructions": ".altinstructions",
        "altinstr_replacement": ".altinstr_replacement",
        "altinstr_aux": ".altinstr_aux",
        "smp_locks": ".smp_locks",
        "parainstructions": ".parainstructions",
        "bug_table": "__bug_table",
        "ex_table": "__ex_table",
        "fixup": ".fixup",
        "jump_table": "__jump_table",
        "static_call_sites": ".static_call_sites",
        "call_sites": ".call_sites",
        "retpoline_sites": ".retpoline_sites",
        "return_sites": ".return_sites",
        "ibt_endbr_seal": ".ibt_endbr_seal",
        "cfi_sites": ".cfi_sites",
        "kcfi_traps": ".kcfi_traps",
        "orc_unwind": ".orc_unwind and .orc_unwind_ip",
        "mcount_loc": "__mcount_loc",
        "patchable_function_entries": "__patchable_function_entries",
        "printk_index": ".printk_index",
        "tracepoints": "__tracepoints and their strings and pointers",
        "dynamic-debug": "__dyndbg",
        "discard": ".discard.*",
        "static_call.text": ".static_call.text",
        "runtime-constant": "constants that the kernel writes into its own code",
        "entry-size": "the size of entries from the object",
    },
    "what a running kernel cannot take": {
        "module-jump-label": "jump labels whose key lives in a module",
        "module-static-call": "static calls whose key lives in a module",
        "export": "EXPORT_SYMBOL",
        "sealed": "the address of a function that lost its landing pad (IBT)",
        "changed-data": "initial values",
        "init-code": "start-up code",
        "no-fentry": "functions without a profiling call",
        "initcall": "initcalls",
        "param": "parameters",
        "read-mostly": ".data..read_mostly",
        "percpu": "per-CPU variables",
        "namespace": "symbol namespaces",
        "registration": "other sections that are read at start",
    },
    "the author's tools": {
        "callbacks": "KPATCH_PRE_PATCH_CALLBACK() and the like",
        "shadow": "shadow variables",
        "ignore-section": "KPATCH_IGNORE_SECTION()",
        "ignore-function": "KPATCH_IGNORE_FUNCTION()",
        "force": "KPATCH_FORCE_UNSAFE()",
        "syscall": "KPATCH_SYSCALL_DEFINEn()",
        "static-call-helper": "KPATCH_STATIC_CALL()",
        "printk-helper": "KPATCH_PRINTK()",
    },
}
#: points that only these compilers can make; all others are for gcc and clang
_MADE_BY = {
    **dict.fromkeys(("isra", "constprop", "part", "cold", "orc_unwind"), ("gcc",)),
    "clang-unnamed": ("clang",),
    **dict.fromkeys(("cfi", "kcfi_traps"), ("kcfi",)),
}


def compilers_of(point: str) -> tuple[str, ...]:
    """The compilers that must make pairs for ``point``."""
    return _MADE_BY.get(point, ("gcc", "clang"))


def pairs_for(point: str, compiler: str, refused: bool) -> list[Item]:
    """The pairs that ``compiler`` made for ``point``: those that are refused, or those that pass."""
    return [
        item
        for item in items()
        if item.compiler == compiler
        and point in item.says("shows").split()
        and (item.says("status") == "refused") == refused
    ]


def _table() -> Iterator[str]:
    for group, points in POINTS.items():
        yield f"## {group}"
        for point, meaning in points.items():
            yield f"{point}: {meaning}"
            for compiler in compilers_of(point):
                for refused in (False, True):
                    names = ", ".join(item.name for item in pairs_for(point, compiler, refused))
                    yield f"    {compiler} {'refused' if refused else 'passes'}: {names or 'NONE'}"


if __name__ == "__main__":
    print("\n".join(_table()))
