"""Real fixes: what kpatch-build makes of the files that changed between two Debian kernels.

Each .c file that is built into the older stock kernel and differs in the newer one's source becomes a diff
of its own, and goes through kpatch-build as a user would run it.  Nothing is edited by hand.  Every
module is checked reference by reference; some are loaded into the stock kernel.
"""

from __future__ import annotations

import difflib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import fixes_modules, fixes_vm
from bench.references import check_module
from kpatch.build.affected import find_affected
from kpatch.errors import KpatchError
from kpatch.kernel.cache import cache_root
from kpatch.kernel.compiler import find_compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.image import KernelImage
from kpatch.kernel.kbuild import Kbuild
from kpatch.kernel.release import Explicit, find_kernel
from kpatch.kernel.source import PreparedTree, kernel_home
from kpatch.kernel.symbols import SymbolTable, load_symbols
from tests.vm import cache
from tests.vm.kernels import StockKernel, stock_kernel

TOP = Path(__file__).resolve().parents[1]
RELEASE = "6.1.0-47-amd64"
"""Debian's kernel 6.1.170-3."""
NEWER = "6.1.176-1"
SEED = 6
LOADED = 36

MEANINGS = {
    "fixes.tried": "changed files of one fix that compile alone and change code of the stock kernel's image",
    "fixes.built": "of these, became a hot patch module",
    "fixes.refused": "of these, refused with the reason",
    "fixes.failed": "of these, ended in anything else, or in a module with a wrong reference",
    "fixes.built_percent": "fixes.built of fixes.tried, in percent",
    "fixes.unchanged": "changed files that compile to the same code",
    "fixes.need_header": "changed files that do not compile without the change of a header; not tried",
    "fixes.references": "references of the built modules, each resolved back through kallsyms and compared",
    "fixes.wrong_references": "of these, not what the patched object says",
    "fixes.load_tried": "built modules, picked by seed, given to the stock kernel",
    "fixes.loaded": "of these, loaded, exercised, disabled and unloaded with a clean kernel log",
    "fixes.livepatch_load_tried": "of the built fixes, picked by seed, built with --interface livepatch and loaded",
    "fixes.livepatch_loaded": "of these, patched by the kernel's livepatch, exercised, disabled, unloaded, clean log",
    "fixes.refused.no_fentry": "refused: the function has no profiling call",
    "fixes.refused.init_code": "refused: the code ran at start and is gone",
    "fixes.refused.changed_data": "refused: an initial value changes",
    "fixes.refused.changed_export": "refused: an EXPORT_SYMBOL comes or goes",
    "fixes.refused.changed_registration": "refused: a table that is read at start changes",
    **fixes_modules.MEANINGS,
}
EXPLANATION = f"""## Real fixes

All .c files that are built into the image of Debian's {RELEASE} and differ in the source of {NEWER}, each
as a diff of its own, through `kpatch-build` without any work by hand. A file whose fix also changes a header
does not compile alone: `fixes.need_header`, not counted as tried. kpatch-build refuses diffs of headers, because not
all users of a header would be rebuilt, and asks for the change in the .c files that need it; counted as
refused they make the share smaller: built / (tried + need_header). What is refused of the others:

- `init-code`: the change is in code that ran at start and is gone;
- `changed-data`: an initial value changes that the running kernel has copied or overwritten already, or that other
  data points to; a callback or a shadow variable can carry such a change;
- `changed-registration`: a new quirk or parameter, in a table that is read only when the kernel starts;
- `changed-export`: an EXPORT_SYMBOL is removed, which a running kernel cannot follow;
- `no-fentry`: the function has no profiling call to redirect (notrace, noinstr, all of kernel/trace).

Each reference of each module is resolved back: the exported symbol's address in kallsyms plus the constant must be
the symbol that the patched object names (`bench/references.py`). `fixes.modules.*` is the same for a sample, picked by
seed, of the changed files that belong to modules; a reference into a module is looked up in the shipped .ko's symbol
table by name and rank.
"""
#: directories whose files are in no x86 image, or not in Debian's
_ELSEWHERE = re.compile(r"^(tools|samples|scripts|Documentation|usr)/|^arch/(?!x86/)|^arch/x86/(boot|um|realmode)/")
_CODE = re.compile(r"\[([a-z][a-z-]+)\]$", re.MULTILINE)


@dataclass
class Outcome:
    """What became of one changed file: ``built``, ``refused``, ``unchanged``, ``need_header`` or ``failed``."""

    name: str
    kind: str
    message: str = ""
    codes: set[str] = field(default_factory=set)
    module: Path | None = None
    references: int = 0
    faults: list[str] = field(default_factory=list)


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


def _kpatch_build(kernel: StockKernel, *args: str | Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    where = ["--kernel", kernel.release, "--kernel-root", str(kernel.root), "-q"]
    argv = [sys.executable, "-m", "kpatch.cli.build", *where, *map(str, args)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return subprocess.run(argv, cwd=TOP, env=environment, capture_output=True, text=True, check=False)


def _tree(kernel: StockKernel) -> PreparedTree:
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
        except KpatchError:
            continue
        if all(unit.objname == "vmlinux" for unit in units):
            built_in.append(name)
        elif all(unit.objname != "vmlinux" for unit in units):
            modular.append(name)
    return built_in, modular


def _write_diff(name: str, old: Path, new: Path, place: Path) -> None:
    before, after = ((top / name).read_text("utf-8", "surrogateescape").splitlines(True) for top in (old, new))
    text = "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))
    place.write_text(text, "utf-8", "surrogateescape")


def _try(name: str, kernel: StockKernel, tree: PreparedTree, newer: Path, out: Path, symbols: SymbolTable) -> Outcome:
    """Build one fix and check what came out."""
    key = re.sub(r"[^A-Za-z0-9]", "-", name[:-2])[-40:].strip("-")
    diff = out / f"{key}.patch"
    _write_diff(name, tree.path, newer, diff)
    with tempfile.TemporaryDirectory(prefix="kpatch-fixes-") as temporary:
        done = _kpatch_build(kernel, "-d", "-n", key, "-o", out, diff, temporary=Path(temporary))
        outcome = _judge(name, done)
        if outcome.kind == "built":
            outcome.module = out / f"kpatch-{key}.ko"
            patched = sorted(Path(temporary).glob("kpatch-build-*/4-patched/*.o"))
            report = check_module(outcome.module, patched, symbols, fixes_modules.shipped_modules(kernel))
            outcome.references, outcome.faults = report.checked, report.faults
            if report.faults:
                outcome.kind, outcome.message = "failed", "\n".join(report.faults)
    return outcome


def _judge(name: str, done: subprocess.CompletedProcess[str]) -> Outcome:
    message = done.stderr.strip()
    if "Traceback" in message or "fault of kpatch-build" in message:
        return Outcome(name, "failed", message)
    if done.returncode == 0:
        return Outcome(name, "built")
    if done.returncode == 1 and "does not compile" in message:
        return Outcome(name, "need_header", message)
    if done.returncode == 2:
        codes = set(_CODE.findall(message)) or {"mismatch" if "vendor shipped" in message else "other"}
        return Outcome(name, "refused", message, codes)
    return Outcome(name, "unchanged" if done.returncode == 3 else "failed", message)


def _try_all(kernel: StockKernel, out: Path) -> tuple[Path, list[Outcome], list[Outcome]]:
    """The core module, what became of every fix of the image, and of a sample of those of modules."""
    newer = _source(NEWER)
    core = out / "kpatch.ko"
    done = _kpatch_build(kernel, "--core", "-o", core, temporary=out)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    tree = _tree(kernel)
    image = KernelImage.read(kernel.vmlinuz, out)
    symbols = load_symbols(image, out)
    names, modular = _by_owner(tree, _changed_files(tree.path, newer))
    print(
        f"  of the changed files {len(names)} are built into {kernel.release}, {len(modular)} into modules", flush=True
    )
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        tried, sample = (
            list(pool.map(lambda name: _try(name, kernel, tree, newer, out, symbols), part))
            for part in (names, fixes_modules.pick(modular))
        )
    return core, tried, sample


def _for_livepatch(kernel: StockKernel, modules: Sequence[Path], out: Path) -> list[Path]:
    """The same fixes once more, for the kernel's own livepatch."""
    place = out / "livepatch"
    place.mkdir()
    built = []
    for module in modules:
        name = module.stem[len("kpatch-") :]
        diff = module.with_name(f"{name}.patch")
        done = _kpatch_build(kernel, "--interface", "livepatch", "-n", name, "-o", place, diff, temporary=place)
        if done.returncode == 0:
            built.append(place / module.name)
        else:
            print(f"  {name} for livepatch:\n{done.stderr}", file=sys.stderr)
    return built


def measure() -> dict[str, float]:
    """Build, check and load; what was refused and why goes to build/fixes.txt."""
    kernel = stock_kernel(RELEASE)
    out = cache.cache_dir() / "fixes"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    core, outcomes, modular = _try_all(kernel, out)
    _write_report([*outcomes, *modular])
    modules = [outcome.module for outcome in outcomes if outcome.module and outcome.kind == "built"]
    random.Random(SEED).shuffle(modules)
    picked = modules[:LOADED]
    loaded = fixes_vm.load(kernel, core, picked)
    for_livepatch = _for_livepatch(kernel, picked, out)
    loaded_by_livepatch = fixes_vm.load(kernel, core, for_livepatch, "livepatch")
    of_modules = [outcome.module for outcome in modular if outcome.module and outcome.kind == "built"]
    count = Counter(outcome.kind for outcome in outcomes)
    tried = count["built"] + count["refused"] + count["failed"]
    codes = Counter(code for outcome in outcomes for code in outcome.codes)
    return {
        **fixes_modules.count(modular),
        **fixes_modules.load(kernel, core, of_modules[:LOADED]),
        "fixes.tried": tried,
        **{f"fixes.{kind}": count[kind] for kind in ("built", "refused", "failed", "unchanged", "need_header")},
        "fixes.built_percent": round(100 * count["built"] / max(tried, 1), 1),
        **{f"fixes.refused.{code.replace('-', '_')}": number for code, number in codes.items()},
        "fixes.references": sum(outcome.references for outcome in outcomes),
        "fixes.wrong_references": sum(len(outcome.faults) for outcome in outcomes),
        "fixes.load_tried": len(picked),
        "fixes.loaded": loaded,
        "fixes.livepatch_load_tried": len(picked),
        "fixes.livepatch_loaded": loaded_by_livepatch,
    }


def _write_report(outcomes: Sequence[Outcome]) -> None:
    place = TOP / "build" / "fixes.txt"
    place.parent.mkdir(exist_ok=True)
    lines = []
    for outcome in outcomes:
        shown = (
            "" if outcome.kind == "need_header" else "".join(f"\n    {line}" for line in outcome.message.splitlines())
        )
        lines.append(f"{outcome.name}: {outcome.kind}{shown}\n")
        if outcome.kind == "failed":
            print(f"  {outcome.name}\n{outcome.message}", file=sys.stderr)
    place.write_text("".join(lines), encoding="utf-8")
