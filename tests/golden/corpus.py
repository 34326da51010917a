"""The golden corpus: one C file for a pair of objects, with what the differ must say of it.

Each ``src/NAME.c`` is compiled twice, without and with ``-DPATCHED``.  Its first comment tells what it
shows and what must come out; a key with a compiler in parentheses holds for that compiler only::

    shows: what it is a pair for, in the words of :mod:`tests.golden.points`
    status: changed | unchanged | refused
    changed: functions whose callers are redirected
    parts: functions that change with them, without a redirection of their own
    new: functions that only the patched object has
    data: objects that are copied
    address_taken: where said: functions whose address the original object did not take
    refusals: code:symbol
    warnings: how many
    flags: further compiler flags
    objtool: actions of the kernel's objtool, named by the environment variable OBJTOOL, that come behind the compiler
    object: vmlinux (default) or the name of a module
    compilers: those that make the construct; gcc and clang, unless said

``python -m tests.golden.corpus`` compiles everything anew and writes what the differ says to ``expected/``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kpatch.diff.api import diff_objects
from kpatch.diff.result import DiffResult
from kpatch.elf.object import ElfObject

TOP = Path(__file__).resolve().parent
SOURCES = TOP / "src"
OBJECTS = TOP / "objects"
EXPECTED = TOP / "expected"

_COMMON = (
    "-O2 -g0 -std=gnu11 -Wall -Werror -Wno-unused -Wno-pointer-sign -ffunction-sections -fdata-sections -fno-PIE "
    "-mcmodel=kernel -mno-red-zone -mno-sse -mno-mmx -mno-80387 -fno-strict-aliasing -fno-common -fno-stack-protector "
    "-fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks -pg -mfentry"
)
COMPILERS = {
    "gcc": ("gcc-12", f"{_COMMON} -mrecord-mcount -fno-ipa-icf -fconserve-stack -fcf-protection=none"),
    "clang": ("clang", f"{_COMMON} -Wno-gnu -fcf-protection=none"),
    "kcfi": ("clang-19", f"{_COMMON} -Wno-gnu -fcf-protection=none -fsanitize=kcfi"),
}
_UNLESS_SAID = "gcc clang"
_KEY = re.compile(r"^ \* (\w+)(?:\((\w+)\))?: ?(.*)$", re.M)


@dataclass(frozen=True)
class Item:
    """One pair of objects: a source file and a compiler."""

    name: str
    compiler: str

    @property
    def source(self) -> Path:
        return SOURCES / f"{self.name}.c"

    def object(self, side: str) -> Path:
        """The committed object; ``side`` is ``original`` or ``patched``."""
        return OBJECTS / self.compiler / f"{self.name}.{side}.o"

    @property
    def expected(self) -> Path:
        return EXPECTED / self.compiler / f"{self.name}.json"

    def read(self) -> tuple[ElfObject, ElfObject]:
        """Both objects."""
        return ElfObject.read(self.object("original")), ElfObject.read(self.object("patched"))

    def diff(self) -> DiffResult:
        """What the differ says of the pair."""
        return diff_objects(*self.read(), objname=self.says("object") or "vmlinux")

    def says(self, key: str) -> str:
        """What the source's first comment says under ``key``, for this compiler; empty when nothing."""
        keys = _keys_of(self.source)
        return keys.get((key, self.compiler), keys.get((key, ""), ""))

    def command(self, side: str, output: Path) -> list[str]:
        """The command that compiles one side."""
        program, flags = COMPILERS[self.compiler]
        options = [*flags.split(), *self.says("flags").split()]
        patched = ["-DPATCHED"] if side == "patched" else []
        return [program, *options, *patched, "-c", f"{self.name}.c", "-o", str(output)]

    def compile(self, side: str, output: Path) -> None:
        """Compile one side to ``output``."""
        subprocess.run(self.command(side, output), cwd=SOURCES, check=True)
        if self.says("objtool"):
            subprocess.run([os.environ["OBJTOOL"], *self.says("objtool").split(), str(output)], check=True)

    def __str__(self) -> str:
        return f"{self.name}-{self.compiler}"


@cache
def _keys_of(source: Path) -> dict[tuple[str, str], str]:
    comment = source.read_text().partition("*/")[0]
    return {(key, compiler): value for key, compiler, value in _KEY.findall(comment)}


def items() -> list[Item]:
    """All pairs, in a fixed order."""
    found = []
    for source in sorted(SOURCES.glob("*.c")):
        wanted = _keys_of(source).get(("compilers", ""), _UNLESS_SAID).split()
        found += [Item(source.stem, compiler) for compiler in wanted]
    return found


def version_of(compiler: str) -> str:
    """The first line of what the compiler says of itself; empty when it is not installed."""
    try:
        done = subprocess.run([COMPILERS[compiler][0], "--version"], stdout=subprocess.PIPE, check=True, text=True)
    except OSError:
        return ""
    return done.stdout.splitlines()[0]


def summary(result: DiffResult) -> dict[str, Any]:
    """What is kept of a result: everything but the wording of messages."""
    report = result.to_json()
    report["references"] = [reference["symbol"] for reference in report["references"]]
    report["warnings"] = len(report["warnings"])
    report["refusals"] = [f"{refusal['code']}:{refusal['symbol']}" for refusal in report["refusals"]]
    if result.out is not None:
        report["sections"] = sorted({section.name for section in result.out.sections})
    return report


def main(names: list[str]) -> int:
    """Compile the items called ``names``, or all, and write what the differ says; returns how many fail."""
    failed = 0
    for item in items():
        if names and item.name not in names:
            continue
        item.object("original").parent.mkdir(parents=True, exist_ok=True)
        item.expected.parent.mkdir(parents=True, exist_ok=True)
        for side in ("original", "patched"):
            item.compile(side, item.object(side))
        found = summary(item.diff())
        item.expected.write_text(json.dumps(found, indent=1) + "\n")
        wrong = disagreements(item, found)
        failed += bool(wrong)
        print(f"{item}: {found['status']}", *wrong, sep="\n    ")
    for compiler in COMPILERS:
        (OBJECTS / compiler / "VERSION").write_text(version_of(compiler) + "\n")
    return failed


def disagreements(item: Item, found: dict[str, Any]) -> list[str]:
    """Where ``found`` is not what the author of the source wrote above it."""
    names = {
        "changed": "changed_functions",
        "parts": "changed_parts",
        "new": "new_functions",
        "data": "new_data",
        "refusals": "refusals",
    } | ({"address_taken": "address_taken"} if item.says("address_taken") else {})
    wanted: dict[str, Any] = {key: sorted(item.says(key).split()) for key in names}
    actual: dict[str, Any] = {key: sorted(found[name]) for key, name in names.items()}
    wanted |= {"status": item.says("status"), "warnings": int(item.says("warnings") or 0)}
    actual |= {"status": found["status"], "warnings": found["warnings"]}
    if actual["status"] == "refused":  # what else was found on the way is no promise
        wanted = {key: wanted[key] for key in ("status", "refusals")}
    return [
        f"{key}: expected {value!r}, found {actual[key]!r}" for key, value in wanted.items() if value != actual[key]
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
