"""Real fixes: what kpatch-build makes of the files that changed between two Debian kernels.

Each .c file that is built into the older stock kernel and differs in the newer one's source becomes a diff
of its own, and goes through kpatch-build as a user would run it.  Nothing is edited by hand.  Every
module is checked reference by reference; some are loaded into the stock kernel.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from bench import fixes_modules, fixes_vm
from bench.fixes_try import MAX_OBJECTS, TRIED, Fixes, Outcome, kpatch_build
from kpatch.build.affected import find_affected
from kpatch.errors import Unchanged, Unpatchable
from kpatch.kernel.cache import cache_root, read_json, write_json
from kpatch.kernel.compiler import find_compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.release import Explicit, find_kernel
from kpatch.kernel.source import PreparedTree, kernel_home
from tests.vm import cache
from tests.vm.kernels import StockKernel, stock_kernel

TOP = Path(__file__).resolve().parents[1]
RELEASE = "6.1.0-47-amd64"
"""Debian's kernel 6.1.170-3."""
NEWER = "6.1.176-1"
SEED = 6
LOADED = 32

MEANINGS = {
    "fixes.tried": "changed files that, with what else they need, change code of the stock kernel's image",
    "fixes.built": "of these, became a hot patch module",
    "fixes.refused": "of these, refused with the reason",
    "fixes.failed": "of these, ended in anything else, or in a module with a wrong reference",
    "fixes.built_percent": "fixes.built of fixes.tried, in percent",
    "fixes.built_percent_of_all": "the same when those in fixes.need_header count as refused",
    "fixes.unchanged": "changed files that compile to the same code",
    "fixes.need_header": "changed files that do not compile even with what they seem to need; not tried",
    "fixes.with_headers": "of those tried, together with changes of headers or other files",
    "fixes.with_headers_built": "of these, became a hot patch module",
    "fixes.refused.changed_layout": "refused: a type that exists would be laid out differently",
    "fixes.refused.other": "refused: more objects read the header than --max-objects",
    "fixes.references": "references of the built modules, each resolved back through kallsyms and compared",
    "fixes.wrong_references": "of these, not what the patched object says",
    "fixes.load_tried": "built modules, picked by seed, given to the stock kernel",
    "fixes.loaded": "of these, loaded, exercised, disabled and unloaded with a clean kernel log",
    "fixes.livepatch_load_tried": "of the built fixes, picked by seed, built with --interface livepatch and loaded",
    "fixes.livepatch_loaded": "of these, patched by the kernel's livepatch, exercised, disabled, unloaded, clean log",
    "fixes.refused.no_fentry": "refused: the function has no profiling call",
    "fixes.refused.init_code": "refused: the code ran at start and is gone",
    "fixes.refused.init_data": "refused: code uses data that the kernel has freed after start",
    "fixes.refused.changed_data": "refused: an initial value changes",
    "fixes.refused.changed_export": "refused: an exported symbol is gone",
    "fixes.refused.changed_registration": "refused: a table that is read at start changes",
    **fixes_modules.MEANINGS,
}
EXPLANATION = f"""## Real fixes

All .c files that are built into the image of Debian's {RELEASE} and differ in the source of {NEWER}, and
{fixes_modules.COUNT} of those of modules, picked by seed (`fixes.modules.*`): each as a diff of its own, through
`kpatch-build` without any work by hand. Such a diff holds what six releases changed in the file; if one part of it is
refused, all of it is. A file that does not compile alone is tried with those hunks of headers that add what the
compiler misses, with the files that these break, and with the functions that the patch calls (`bench/fixes_diff.py`).
What still does not compile needs more of the newer kernel: `fixes.need_header`, not counted as tried;
`fixes.built_percent_of_all` counts it as refused. What is refused (`build/fixes.txt` has each with its message):

- `changed-layout`: a type that exists gets, loses or moves a member: objects that the old code made would be read
  differently; a shadow variable carries a new member;
- `init-code`: the change is in code that ran at start and is gone, or in the exit code of a module, which has no
  profiling call;
- `changed-data`: an initial value changes that the running kernel has copied or overwritten already, or that other
  data points to (a quirk table with pointers to its drivers' data); a callback or a shadow variable can carry that;
- `changed-registration`: a new quirk or parameter, in a table that is read only when the kernel starts;
- `changed-export`: an EXPORT_SYMBOL is new, or an exported function is gone, which modules may call;
- `no-fentry`: the function has no profiling call to redirect (notrace, noinstr, all of kernel/trace and lib);
- `other`: a header changes by more than new names, and more than {MAX_OBJECTS} objects read it (`--max-objects`, which
  is 300 for users: the measurement is kept short), or the patch needs a function that only another file's change adds.

Ksplice's 88 % are of fixes for one vulnerability each, taken one by one; here most diffs hold several.

Each reference of each module is resolved back: the exported symbol's address in kallsyms plus the constant must be
the symbol that the patched object names (`bench/references.py`); a reference into a module is looked up in the shipped
.ko's symbol table by name and rank.
"""
#: directories whose files are in no x86 image, or not in Debian's
_ELSEWHERE = re.compile(r"^(tools|samples|scripts|Documentation|usr)/|^arch/(?!x86/)|^arch/x86/(boot|um|realmode)/")
_AT_ONCE = 40
"""Objects in one run of make: what is interrupted loses so many at most."""
_SOURCES = (".py", ".c", ".h")


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


def prepared_tree(kernel: StockKernel) -> PreparedTree:
    """The source that kpatch-build has prepared."""
    files = find_kernel(kernel.release, kernel.root, Explicit())
    config = KernelConfig.read(files.config)
    compiler = find_compiler(config, False)
    home = kernel_home(cache_root(), files, config, compiler)
    return PreparedTree(home, home / "source", kernel.release, config, compiler)


def _changed_files(old: Path, new: Path) -> list[str]:
    names = []
    for path in sorted(new.rglob("*.c")):
        name = str(path.relative_to(new))
        other = old / name
        if not _ELSEWHERE.search(name) and other.exists() and other.read_bytes() != path.read_bytes():
            names.append(name)
    return names


def _by_owner(tree: PreparedTree, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of ``names`` that become code of the image only, and those that become code of modules only."""
    kbuild = Kbuild(tree)
    # All directories in one run of make: one by one they take a second each.
    places = {str(place) for name in names for place in Path(name).parents}
    kbuild.directories(sorted(places))
    built_in, modular = [], []
    for name in names:
        try:
            units = find_affected(kbuild, [name], [], tree.path, "x86")
        except Unchanged:
            continue
        except Unpatchable:
            built_in.append(name)  # kpatch-build will say why
            continue
        if all(unit.objname == "vmlinux" for unit in units):
            built_in.append(name)
        elif all(unit.objname != "vmlinux" for unit in units):
            modular.append(name)
    return built_in, modular


def _prefetch(tree: PreparedTree, names: Sequence[str]) -> None:
    """Have kbuild compile the objects of ``names`` in few runs of make, for the same reason."""
    kbuild = Kbuild(tree)
    targets = set()
    for name in names:
        with suppress(Unpatchable):
            targets |= {unit.target for unit in find_affected(kbuild, [name], [], tree.path, "x86")}
    wanted = sorted(targets)
    for start in range(0, len(wanted), _AT_ONCE):
        kbuild.commands(wanted[start : start + _AT_ONCE], len(os.sched_getaffinity(0)))


def _version() -> str:
    """What decides the outcome of a fix: the code that builds, checks and loads, the kernel, and the newer source."""
    files = [path for top in ("kpatch", "kmod") for path in sorted((TOP / top).rglob("*")) if path.suffix in _SOURCES]
    own = sorted((TOP / "bench").glob("fixes_*.py"))
    return cache.key_of(RELEASE, NEWER, *files, *own, TOP / "bench" / "references.py")


def _try_all(kernel: StockKernel, out: Path) -> tuple[Path, list[Outcome], list[Outcome]]:
    """The core module, what became of every fix of the image, and of a sample of those of modules."""
    newer = _source(NEWER)
    core = out / "kpatch.ko"
    done = kpatch_build(kernel, "--core", "-o", core, temporary=out)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    tree = prepared_tree(kernel)
    names, modular = _by_owner(tree, _changed_files(tree.path, newer))
    print(
        f"  of the changed files {len(names)} are built into {kernel.release}, {len(modular)} into modules", flush=True
    )
    sample = fixes_modules.pick(modular)
    _prefetch(tree, [*names, *sample])
    fixes = Fixes(kernel, tree, newer, out)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return core, list(pool.map(fixes.attempt, names)), list(pool.map(fixes.attempt, sample))


def _built(outcomes: Sequence[Outcome], out: Path) -> list[Path]:
    """The modules that came out."""
    return [out / outcome.module for outcome in outcomes if outcome.kind == "built"]


def _for_livepatch(kernel: StockKernel, modules: Sequence[Path], out: Path) -> list[Path]:
    """The same fixes once more, for the kernel's own livepatch."""
    place = out / "livepatch"
    place.mkdir(exist_ok=True)
    built = []
    for module in modules:
        name = module.stem[len("kpatch-") :]
        diff = module.with_name(f"{name}.patch")
        options = ["--interface", "livepatch", "-n", name, "--max-objects", str(MAX_OBJECTS)]
        target = place / module.name
        if not target.exists():
            done = kpatch_build(kernel, *options, "-o", place, diff, temporary=place)
            if done.returncode != 0:
                print(f"  {name} for livepatch:\n{done.stderr}", file=sys.stderr)
                continue
        built.append(target)
    return built


def measure() -> dict[str, float]:
    """Build, check and load; what was refused and why goes to build/fixes.txt."""
    kernel = stock_kernel(RELEASE)
    out = cache.entry("fixes", _version(), lambda directory: None)
    core, outcomes, modular = _try_all(kernel, out)
    _write_report([*outcomes, *modular])
    shuffled = random.Random(SEED).sample(outcomes, len(outcomes))
    picked = _built(shuffled, out)[:LOADED]
    for_livepatch = _for_livepatch(kernel, picked, out)
    of_modules = _built(modular, out)[:LOADED]
    return {
        **_count(outcomes),
        **fixes_modules.count(modular),
        "fixes.load_tried": len(picked),
        "fixes.livepatch_load_tried": len(picked),
        **_once(out / "loaded.json", lambda: {"fixes.loaded": fixes_vm.load(kernel, core, picked)}),
        **_once(
            out / "livepatch.json",
            lambda: {"fixes.livepatch_loaded": fixes_vm.load(kernel, core, for_livepatch, "livepatch")},
        ),
        **_once(out / "modules.json", lambda: fixes_modules.load(kernel, core, of_modules)),
    }


def _once(place: Path, make: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What ``make`` measured, kept at ``place`` for a run that goes on after an interruption."""
    known: dict[str, float] | None = read_json(place)
    if known is None:
        known = make()
        write_json(place, known)
    return known


def _count(outcomes: Sequence[Outcome]) -> dict[str, float]:
    count = Counter(outcome.kind for outcome in outcomes)
    tried = sum(count[kind] for kind in TRIED)
    codes = Counter(code for outcome in outcomes for code in outcome.codes)
    return {
        "fixes.tried": tried,
        **{f"fixes.{kind}": count[kind] for kind in ("built", "refused", "failed", "unchanged", "need_header")},
        "fixes.with_headers": sum(each.with_headers for each in outcomes if each.kind in TRIED),
        "fixes.with_headers_built": sum(each.with_headers for each in outcomes if each.kind == "built"),
        "fixes.built_percent": _percent(count["built"], tried),
        "fixes.built_percent_of_all": _percent(count["built"], tried + count["need_header"]),
        **{f"fixes.refused.{code.replace('-', '_')}": number for code, number in codes.items()},
        "fixes.references": sum(outcome.references for outcome in outcomes),
        "fixes.wrong_references": sum(len(outcome.faults) for outcome in outcomes),
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / max(whole, 1), 1)


def _write_report(outcomes: Sequence[Outcome]) -> None:
    """Each file with the whole message."""
    place = TOP / "build" / "fixes.txt"
    place.parent.mkdir(exist_ok=True)
    lines = []
    for outcome in outcomes:
        message = "".join(f"\n    {line}" for line in outcome.message.splitlines())
        lines.append(f"{' '.join(outcome.names)}: {outcome.kind}{message}\n")
        if outcome.kind == "failed":
            print(f"  {outcome.name}\n{outcome.message}", file=sys.stderr)
    place.write_text("".join(lines), encoding="utf-8")
