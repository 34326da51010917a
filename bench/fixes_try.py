"""One real fix: the diff of one changed file, built as a user would build it, and judged.

A file that does not compile alone is tried again with the hunks of headers that declare what the compiler misses, and
then with the files that these break.  What became of a file is kept, so a run that was interrupted goes on.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.fixes_diff import Changes
from bench.references import check_module
from kpatch.build.affected import find_affected
from kpatch.kernel.cache import read_json, write_json
from kpatch.kernel.image import KernelImage
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.modules import module_name
from kpatch.kernel.source import PreparedTree
from kpatch.kernel.symbols import load_symbols
from tests.vm.kernels import StockKernel

__all__ = ["MAX_OBJECTS", "TRIED", "Fixes", "Outcome", "kpatch_build"]

TOP = Path(__file__).resolve().parents[1]
TRIED = ("built", "refused", "failed")
MAX_OBJECTS = 30
"""Of kpatch-build's 300: compiling more for each header takes the measurement more than an hour."""
_ROUNDS = 6
"""So often a fix that does not compile gets more of the files that changed with it."""

_UNCOMPILED = re.compile(r"does not compile \((\S+)\.o\)")
_WRONG = re.compile(r"^(?:\./)?(\S+\.[ch]):\d+:\d+: error:", re.MULTILINE)
_QUOTED = re.compile("\u2018" r"(?:struct |union |enum )?(?:\w+(?: \*)*::|\w+\.)?(\w+)")
_UNREACHED = re.compile(r"(\w+) \(not in the kernel's symbols\)")
_INCLUDED = ("include", "arch/x86/include")
_TYPES = {"bool", "char", "const", "int", "long", "short", "signed", "size_t", "unsigned", "void"}
_CODE = re.compile(r"\[([a-z][a-z-]+)\]$", re.MULTILINE)


@dataclass
class Outcome:
    """What became of one changed file: ``built``, ``refused``, ``unchanged``, ``need_header`` or ``failed``.

    ``names``: the files of its last diff, itself first; ``codes``: the reasons of a refusal; ``module``: the name of
    the .ko's file; ``references``: how many were checked, ``faults``: those that are wrong, in words.
    """

    name: str
    kind: str
    message: str = ""
    names: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    module: str = ""
    references: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def with_headers(self) -> bool:
        """Whether it was tried together with other files."""
        return len(self.names) > 1


def kpatch_build(kernel: StockKernel, *args: str | Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    """Run kpatch-build for ``kernel`` as its users do; its work directory comes into ``temporary``."""
    where = ["--kernel", kernel.release, "--kernel-root", str(kernel.root), "-q"]
    jobs = ["-j", str(len(os.sched_getaffinity(0)))]
    argv = [sys.executable, "-m", "kpatch.cli.build", *where, *jobs, *map(str, args)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.run(argv, cwd=TOP, env=environment, capture_output=True, text=True, check=False)


class Fixes:
    """The changes between ``kernel`` with its source ``tree`` and the source at ``newer``, tried in ``out``."""

    def __init__(self, kernel: StockKernel, tree: PreparedTree, newer: Path, out: Path) -> None:
        self.kernel = kernel
        self.tree = tree
        self.newer = newer
        self.out = out
        self.symbols = load_symbols(KernelImage.read(kernel.vmlinuz, out), out)
        self.shipped = {module_name(path): path for path in sorted(kernel.modules_dir.rglob("*.ko*"))}

    def attempt(self, name: str) -> Outcome:
        """What becomes of the changed file ``name``, with more of the changes when it needs them."""
        kept = self.out / f"{_key(name)}.json"
        known = read_json(kept)
        if known is not None:
            return Outcome(**known)
        changes = Changes(self.tree.path, self.newer, name)
        outcome = self._build(changes)
        for _ in range(_ROUNDS):
            if not self._add_missing(changes, outcome):
                break
            outcome = self._build(changes)
        write_json(kept, asdict(outcome))
        return outcome

    def _build(self, changes: Changes) -> Outcome:
        key = _key(changes.names[0])
        diff = self.out / f"{key}.patch"
        diff.write_text(changes.text(), "utf-8", "surrogateescape")
        options = ["-d", "-n", key, "--max-objects", str(MAX_OBJECTS), "-o", str(self.out)]
        with tempfile.TemporaryDirectory(prefix="kpatch-fixes-") as temporary:
            done = kpatch_build(self.kernel, *options, diff, temporary=Path(temporary))
            outcome = _judge(changes.names, done)
            if outcome.kind == "built":
                outcome.module = f"kpatch-{key}.ko"
                patched = sorted(Path(temporary).glob("kpatch-build-*/4-patched/*.o"))
                report = check_module(self.out / outcome.module, patched, self.symbols, self.shipped)
                outcome.references, outcome.faults = report.checked, report.faults
                if report.faults:
                    outcome.kind, outcome.message = "failed", "\n".join(report.faults)
        return outcome

    def _add_missing(self, changes: Changes, outcome: Outcome) -> bool:
        """Take hunks that declare or define what is missing, and files that now do not compile; whether any."""
        if outcome.kind == "refused":
            unreached = set(_UNREACHED.findall(outcome.message))
            beside = sorted((self.newer / outcome.name).parent.glob("*.c")) if unreached else []
            return any(changes.add_words(str(path.relative_to(self.newer)), unreached) for path in beside)
        if outcome.kind != "need_header":
            return False
        missed = set(_QUOTED.findall(outcome.message)) - _TYPES
        headers = self._headers(outcome.name)
        added = [changes.add_words(name, missed) for name in headers]
        added += [changes.add_whole(f"{posixpath.normpath(name)}.c") for name in _UNCOMPILED.findall(outcome.message)]
        if not any(added):
            added += [changes.add_parts(name, missed) for name in headers]
            added += [changes.add_whole(name) for name in _WRONG.findall(outcome.message)]
        return any(added)

    def _headers(self, name: str) -> list[str]:
        """What the compiler read for the file ``name``, and what is named like that in its newer version."""
        (unit, *_) = find_affected(Kbuild(self.tree), [name], [], self.tree.path, "x86")
        read = {each for each in Kbuild(self.tree).command(unit.target).sources if each.endswith(".h")}
        named = re.findall(
            r'^#\s*include\s+[<"]([^>"]+)', (self.newer / name).read_text("utf-8", "replace"), re.MULTILINE
        )
        places = (posixpath.normpath(posixpath.join(top, each)) for top in _INCLUDED for each in named)
        return sorted({*read, *(place for place in places if (self.newer / place).is_file())})


def _key(name: str) -> str:
    """The patch's name for the file ``name``: a module's name has at most 55 characters."""
    return re.sub(r"[^A-Za-z0-9]", "-", name[:-2])[-40:].strip("-")


def _judge(names: Sequence[str], done: subprocess.CompletedProcess[str]) -> Outcome:
    outcome = Outcome(names[0], "failed", done.stderr.strip(), list(names))
    if "Traceback" in outcome.message or "fault of kpatch-build" in outcome.message:
        return outcome
    if done.returncode == 1 and "does not compile" in outcome.message:
        outcome.kind = "need_header"
    elif done.returncode == 2:
        outcome.kind = "refused"
        found = set(_CODE.findall(outcome.message))
        outcome.codes = sorted(found) or ["mismatch" if "vendor shipped" in outcome.message else "other"]
    else:
        outcome.kind = {0: "built", 3: "unchanged"}.get(done.returncode, "failed")
    return outcome
