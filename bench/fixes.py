"""Real fixes: what the differ makes of the files that changed between two Debian kernel sources.

Each changed file is compiled from the older source and, alone replaced by its newer version,
once more; both with the stock configuration.  Nothing is edited by hand.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path

from kpatch.diff.api import diff_objects
from kpatch.elf.object import ElfObject
from tests.vm import cache
from tests.vm.kernels import stock_kernel

OLDER, NEWER = "6.1.170-3", "6.1.176-1"
SEED = 6
COUNT = 320
MEANINGS = {
    "fixes.tried": "files changed between two Debian kernels whose objects were built and differ",
    "fixes.built": "of these, objects that the differ wrote",
    "fixes.refused": "of these, refused with the reason",
    "fixes.failed": "of these, ended in an error",
    "fixes.unchanged": "files whose change is not in the code of this configuration",
}
EXPLANATION = ""
#: directories whose files are in no x86 image, or not in Debian's
_ELSEWHERE = re.compile(r"^(tools|samples|scripts|Documentation|usr)/|^arch/(?!x86/)|^arch/x86/(boot|um|realmode)/")


def _source(version: str) -> Path:
    def fetch(directory: Path) -> None:
        subprocess.run(["apt-get", "-qq", "download", f"linux-source-6.1={version}"], cwd=directory, check=True)
        (deb,) = directory.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", deb, directory], check=True)
        deb.unlink()
        (archive,) = directory.glob("usr/src/*.tar.xz")
        subprocess.run(["tar", "-xf", archive, "-C", directory, "--strip-components=1"], check=True)
        shutil.rmtree(directory / "usr" / "src")

    return cache.entry("sources", version, fetch)


def _prepare(tree: Path) -> None:
    config = stock_kernel().config.read_text()
    config = re.sub(r"^CONFIG_SYSTEM_TRUSTED_KEYS=.*", 'CONFIG_SYSTEM_TRUSTED_KEYS=""', config, flags=re.MULTILINE)
    config = re.sub(r"^CONFIG_DEBUG_INFO.*\n", "", config, flags=re.MULTILINE) + "CONFIG_DEBUG_INFO_NONE=y\n"
    (tree / ".config").write_text(config)
    for target in ("olddefconfig", "modules_prepare"):
        _make(tree, [target], keep_going=False)


def _make(tree: Path, targets: list[str], keep_going: bool = True) -> None:
    argv = ["make", f"-j{os.cpu_count()}", "KCFLAGS=-ffunction-sections -fdata-sections", *targets]
    argv += ["--keep-going"] if keep_going else []
    done = subprocess.run(argv, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode and not keep_going:
        raise RuntimeError(done.stderr[-2000:])


def _changed_files(old: Path, new: Path) -> list[str]:
    names = []
    for path in sorted(old.rglob("*.c")):
        name = str(path.relative_to(old))
        other = new / name
        if not _ELSEWHERE.search(name) and other.exists() and other.read_bytes() != path.read_bytes():
            names.append(name)
    random.Random(SEED).shuffle(names)
    return names[:COUNT]


def _build_pairs(work: Path) -> list[tuple[str, Path, Path]]:
    old, new = _source(OLDER), _source(NEWER)
    names = _changed_files(old, new)
    print(f"  {len(names)} changed files; compiling each twice", flush=True)
    original, patched = work / "original", work / "patched"
    if not original.exists():
        subprocess.run(["cp", "-al", old, original], check=True)
        _prepare(original)
        subprocess.run(["cp", "-al", original, patched], check=True)
        for name in names:
            (patched / name).unlink()
            shutil.copyfile(new / name, patched / name)
    objects = [re.sub(r"\.c$", ".o", name) for name in names]
    for tree in (original, patched):
        _make(tree, objects)
    pairs = [(name, original / obj, patched / obj) for name, obj in zip(names, objects)]
    return [pair for pair in pairs if pair[1].exists() and pair[2].exists()]


def measure() -> dict[str, float]:
    """Build and diff the pairs; the refusals by code go to the terminal and to build/fixes.txt."""
    work = cache.cache_dir() / "fixes"
    work.mkdir(exist_ok=True)
    outcome: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    report = []
    for name, original, patched in _build_pairs(work):
        try:
            result = diff_objects(ElfObject.read(original), ElfObject.read(patched))
        except Exception:
            outcome["failed"] += 1
            print(f"  {name}\n{traceback.format_exc()}", file=sys.stderr)
            continue
        outcome[result.status] += 1
        codes.update({refusal.code for refusal in result.refusals})
        report.append(f"{name}: {result.status}" + "".join(f"\n    {r.code}: {r.message}" for r in result.refusals))
    Path("build").mkdir(exist_ok=True)
    Path("build/fixes.txt").write_text("\n".join(report) + "\n", encoding="utf-8")
    print("  refusals by code: " + ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    tried = outcome["changed"] + outcome["refused"] + outcome["failed"]
    found = {"tried": tried, "built": outcome["changed"], "refused": outcome["refused"]}
    found.update(failed=outcome["failed"], unchanged=outcome["unchanged"])
    values: dict[str, float] = {f"fixes.{key}": value for key, value in found.items()}
    values.update({f"fixes.refused.{code.replace('-', '_')}": count for code, count in codes.items()})
    return values
