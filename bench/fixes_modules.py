"""The differ on fixes of files that belong to modules: both objects are compiled and compared, no module is made."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kpatch.build.compile import compile_object, compile_original
from kpatch.build.lines import keep_line_numbers
from kpatch.build.shadow import make_shadow
from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.source import PreparedTree

__all__ = ["MEANINGS", "compare"]

_COUNT = 80
_SEED = 6

MEANINGS = {
    "fixes.modules.tried": "changed files of modules, picked by seed, that compile alone and change code; differ only",
    "fixes.modules.written": "of these, the differ wrote an object for a module",
    "fixes.modules.refused": "of these, refused with the reason",
    "fixes.modules.failed": "of these, ended in an error",
}


def compare(files: Sequence[tuple[str, str]], tree: PreparedTree, newer: Path) -> dict[str, float]:
    """Compare some of ``files`` (name and target of the object) with their versions below ``newer``."""
    picked = random.Random(_SEED).sample(files, min(_COUNT, len(files)))
    kbuild = Kbuild(tree)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = Counter(pool.map(lambda file: _outcome(file[0], file[1], kbuild, newer), picked))
    written, refused, failed = (found[kind] for kind in ("changed", "refused", "failed"))
    counts = {"tried": written + refused + failed, "written": written, "refused": refused, "failed": failed}
    return {f"fixes.modules.{key}": value for key, value in counts.items()}


def _outcome(name: str, target: str, kbuild: Kbuild, newer: Path) -> str:
    try:
        return _status(name, target, kbuild, newer)
    except Exception:  # whatever it is: the measurement counts it and goes on
        print(f"  {name}\n{traceback.format_exc()}", file=sys.stderr)
        return "failed"


def _status(name: str, target: str, kbuild: Kbuild, newer: Path) -> str:
    tree = kbuild.tree
    command = kbuild.command(target)
    original = compile_original(command, tree)
    with tempfile.TemporaryDirectory(prefix="kpatch-fixes-") as temporary:
        numbered, view, patched = (Path(temporary) / part for part in ("numbered.c", "view", "patched.o"))
        numbered.write_bytes(keep_line_numbers(tree.path / name, newer / name))
        make_shadow(view, tree.path, [os.path.dirname(target)], {name: numbered})
        try:
            compile_object(command, view, patched, name)
        except BadInput:
            return "need_header"
        return diff_objects(ElfObject.read(original), ElfObject.read(patched), objname="module").status
