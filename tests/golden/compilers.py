"""Whether the sources of the corpus keep their promises with other compilers: ``python -m tests.golden.compilers``.

Arguments: ``gcc`` or ``clang``, and the programs to compile with (``gcc gcc-9 gcc-14``).  Nothing is written.  The
numbers in the names of clones and static locals are each compiler's own and do not count.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject
from tests.golden.corpus import COMPILERS, Item, items, summary, version_of

_NUMBER = re.compile(r"\.\d+")
_PROMISES = {"changed": "changed_functions", "new": "new_functions", "refusals": "refusals"}


def main(argv: Sequence[str]) -> int:
    """Compile with each program and print what differs; returns how many pairs do."""
    kind, *programs = argv
    broken = 0
    for program in programs:
        COMPILERS[kind] = (program, COMPILERS[kind][1])
        # objtool is a kernel's, and wants the code of its compiler
        pairs = [item for item in items() if item.compiler == kind and not item.says("objtool")]
        found = {item: differences(item) for item in pairs}
        print(f"{version_of(kind)}: {len(pairs)} pairs, {sum(map(bool, found.values()))} not as promised")
        for item, wrong in found.items():
            broken += bool(wrong)
            print(*(f"    {item.name}: {each}\n" for each in wrong), sep="", end="")
    return broken


def differences(item: Item) -> list[str]:
    """Where the differ's answer is not what the source promises. Raises CalledProcessError if it does not compile."""
    with tempfile.TemporaryDirectory(prefix="kpatch-golden-") as directory:
        objects = {side: Path(directory, f"{side}.o") for side in ("original", "patched")}
        for side, path in objects.items():
            item.compile(side, path)
        read = [ElfObject.read(path) for path in objects.values()]
        found = summary(diff_objects(*read, objname=item.says("object") or "vmlinux"))
    if found["status"] != item.says("status"):
        return [f"{found['status']} {found['refusals']}, not {item.says('status')}"]
    keys = ["refusals"] if found["status"] == "refused" else list(_PROMISES)
    answers = {key: (_plain(found[_PROMISES[key]]), _plain(item.says(key).split())) for key in keys}
    return [f"{key}: {ours}, not {promised}" for key, (ours, promised) in answers.items() if ours != promised]


def _plain(names: Sequence[str]) -> list[str]:
    return sorted(_NUMBER.sub("", name) for name in names)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
