"""Fixes of files that belong to modules: a sample of them, through the whole of kpatch-build as all others.

Some of the hot patches are loaded into the stock kernel, each before its module and after it.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from kpatch.elf.object import ElfObject
from kpatch.kernel.modules import Modules, module_name
from tests.vm import tiny
from tests.vm.kernels import StockKernel

__all__ = ["COUNT", "MEANINGS", "count", "load", "pick"]

COUNT = 30
_SEED = 6
_PER_BOOT = 8
_SECONDS = 1800

MEANINGS = {
    "fixes.modules.tried": "changed files of modules, picked by seed, that change code",
    "fixes.modules.built": "of these, became a hot patch module",
    "fixes.modules.refused": "of these, refused with the reason",
    "fixes.modules.failed": "of these, ended in anything else, or in a module with a wrong reference",
    "fixes.modules.built_percent": "fixes.modules.built of fixes.modules.tried, in percent",
    "fixes.modules.need_header": "files of the sample that do not compile even so; not tried",
    "fixes.modules.unchanged": "files of the sample that compile to the same code",
    "fixes.modules.references": "references of the built modules, each resolved back and compared",
    "fixes.modules.wrong_references": "of these, not what the patched object says",
    "fixes.modules.load_tried": "built modules given to the stock kernel whose target starts without its hardware",
    "fixes.modules.loaded": "of these, applied when the target came and when it was there, and taken off, clean log",
    "fixes.modules.in_use": "of these, applied when the target came; later a thread of the target is in the function",
}

# A line of /plan: the patch's file, its module, and files in the order in which they are loaded, the target last.
_SCRIPT = """
insmod /kpatch.ko || exit 1
retry() { for each in $(seq 10); do "$@" 2>/tmp/error && return 0; sleep 0.2; done; cat /tmp/error; return 1; }
applied() { cat /sys/kernel/kpatch/$1/*/patched | grep -q 1; }
off() { retry eval "echo 0 > /sys/kernel/kpatch/$1/enabled" && retry rmmod $1; }
before() { retry insmod /patches/$1 && insmod /modules/$3 && applied $2 && rmmod ${3%.ko} && off $2; }
after() { insmod /modules/$3 && retry insmod /patches/$1 && applied $2 && rmmod ${3%.ko} && off $2; }
in_use() { grep -q '^errno: 16' /sys/kernel/kpatch/last_refusal && rmmod ${1%.ko}; }
while read patch name files; do
  for target in $files; do insmod /modules/$target 2>/dev/null; done
  rmmod ${target%.ko} 2>/dev/null || { echo "SKIPPED $patch"; continue; }
  before $patch $name $target || { echo "BAD $patch"; continue; }
  after $patch $name $target && echo "GOOD $patch" && continue
  in_use $target && echo "IN_USE $patch" || echo "BAD $patch"
done < /plan
rmmod kpatch
"""


class Outcome(Protocol):
    """What became of one changed file."""

    kind: str
    references: int
    faults: list[str]


def pick(names: Sequence[str]) -> list[str]:
    """The sample of the files called ``names``."""
    return random.Random(_SEED).sample(names, min(COUNT, len(names)))


def count(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """The figures of the sample."""
    outcomes = list(outcomes)
    found = Counter(outcome.kind for outcome in outcomes)
    tried = found["built"] + found["refused"] + found["failed"]
    counts = {kind: found[kind] for kind in ("built", "refused", "failed", "need_header", "unchanged")}
    figures: dict[str, float] = {
        "tried": tried,
        **counts,
        "built_percent": round(100 * found["built"] / max(tried, 1), 1),
        "references": sum(outcome.references for outcome in outcomes),
        "wrong_references": sum(len(outcome.faults) for outcome in outcomes),
    }
    return {f"fixes.modules.{key}": value for key, value in figures.items()}


def load(kernel: StockKernel, core: Path, patches: Sequence[Path]) -> dict[str, float]:
    """Load ``patches`` and their modules in a virtual machine; a boot with an unclean log counts none."""
    modules = Modules([kernel.modules_dir])
    found: Counter[str] = Counter()
    for start in range(0, len(patches), _PER_BOOT):
        files: dict[str, bytes | Path] = {"kpatch.ko": core}
        plan = ""
        for patch in patches[start : start + _PER_BOOT]:
            wanted = list(dict.fromkeys(each for name in _targets(patch) for each in reversed(modules.needs(name))))
            files |= {f"modules/{name}.ko": modules.find(name) for name in wanted}
            files[f"patches/{patch.name}"] = patch
            plan += f"{patch.name} {module_name(patch)} {' '.join(f'{name}.ko' for name in wanted)}\n"
        result = tiny.run(kernel.vmlinuz, _SCRIPT, {**files, "plan": plan.encode()}, memory="2G", timeout=_SECONDS)
        ends = Counter(line.split()[0] for line in result.out.splitlines() if line.strip())
        if ends["BAD"] or result.splats or not result.passed:
            print(result.out, *result.splats, sep="\n", file=sys.stderr)
        if result.splats or not result.passed:
            ends = Counter(BAD=ends["GOOD"] + ends["IN_USE"] + ends["BAD"])
        found += ends
    counts = {"load_tried": found["GOOD"] + found["IN_USE"] + found["BAD"], "loaded": found["GOOD"]}
    return {f"fixes.modules.{key}": value for key, value in {**counts, "in_use": found["IN_USE"]}.items()}


def _targets(patch: Path) -> list[str]:
    """The modules that ``patch`` redirects functions of."""
    table = ElfObject.read(patch).section(".kpatch.funcs")
    names = set()
    for reloc in table.relocs if table else ():
        if reloc.offset % 56 == 24 and reloc.symbol.section is not None:
            text = reloc.symbol.section.data[reloc.symbol.value + reloc.addend :]
            names.add(text[: text.index(b"\0")].decode())
    return sorted(names - {"vmlinux"})
