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
ROUNDS = 4
"""So often a fix that does not compile gets more of the files that changed with it."""

MEANINGS = {
    "fixes.tried": "changed files that, with the changed headers they need, change code of the stock kernel's image",
    "fixes.built": "of these, became a hot patch module",
    "fixes.refused": "of these, refused with the reason",
    "fixes.failed": "of these, ended in anything else, or in a module with a wrong reference",
    "fixes.built_percent": "fixes.built of fixes.tried, in percent",
    "fixes.unchanged": "changed files that compile to the same code",
    "fixes.need_header": "changed files that do not compile even with the changed headers that they need; not tried",
    "fixes.with_headers": "of those tried, with headers",
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
    "fixes.refused.changed_data": "refused: an initial value changes",
    "fixes.refused.changed_export": "refused: an EXPORT_SYMBOL comes or goes",
    "fixes.refused.changed_registration": "refused: a table that is read at start changes",
    **fixes_modules.MEANINGS,
}
EXPLANATION = f"""## Real fixes

All .c files that are built into the image of Debian's {RELEASE} and differ in the source of {NEWER}, each
as a diff of its own, through `kpatch-build` without any work by hand. A file that does not compile alone is tried
with the headers that declare what the compiler misses, and then with the files that these break: that is often several
fixes at once (a header collects those of six releases), and one that changes the layout of a type refuses them all.
What still does not compile needs more of the newer kernel: `fixes.need_header`, not counted as tried; counted as
refused they make the share smaller: built / (tried + need_header). What is refused:

- `changed-layout`: a type that exists gets a member, or an enum constant another value: objects that the old code made
  would be read differently; a shadow variable carries a new member;
- `other`: a header that more than `--max-objects` objects read changes more than by new names;

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
_UNCOMPILED = re.compile(r"does not compile \((\S+)\.o\)")
_QUOTED = re.compile("\u2018" r"(?:struct |union |enum )?(?:\w+(?: \*)*::)?(\w+)")
_TYPES = {"bool", "char", "const", "int", "long", "short", "signed", "size_t", "unsigned", "void"}
_CODE = re.compile(r"\[([a-z][a-z-]+)\]$", re.MULTILINE)


_TRIED = ("built", "refused", "failed")


@dataclass
class Outcome:
    """What became of one changed file: ``built``, ``refused``, ``unchanged``, ``need_header`` or ``failed``."""

    name: str
    kind: str
    message: str = ""
    codes: set[str] = field(default_factory=set)
    module: Path | None = None
    references: int = 0
    with_headers: bool = False
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


def _diff(name: str, old: Path, new: Path) -> str:
    before, after = ((top / name).read_text("utf-8", "surrogateescape").splitlines(True) for top in (old, new))
    return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))


def _try(name: str, kernel: StockKernel, tree: PreparedTree, newer: Path, out: Path, symbols: SymbolTable) -> Outcome:
    """Build one fix, with the changed headers that it reads when it needs them, and check what came out."""
    outcome = _build([name], kernel, tree, newer, out, symbols)
    names = [name]
    for _ in range(ROUNDS):
        if outcome.kind != "need_header":
            break
        more = _more_files(names, outcome.message, tree, newer)
        if not more:
            break
        names += more
        outcome = _build(names, kernel, tree, newer, out, symbols)
    outcome.with_headers = len(names) > 1
    return outcome


def _more_files(names: Sequence[str], message: str, tree: PreparedTree, newer: Path) -> list[str]:
    """What must change with ``names``: headers that declare what is missing, and files that now do not compile."""
    (unit, *_) = find_affected(Kbuild(tree), [names[0]], [], tree.path, "x86")
    missed = set(_QUOTED.findall(message)) - _TYPES
    found = []
    for name in sorted(Kbuild(tree).command(unit.target).sources):
        if name.endswith(".h") and name not in names and _differs(tree.path / name, newer / name):
            added = [line for line in _diff(name, tree.path, newer).splitlines() if line.startswith("+")]
            if missed & set(re.findall(r"\w+", "\n".join(added))):
                found.append(name)
    broken = [f"{target}.c" for target in _UNCOMPILED.findall(message)]
    return found + [name for name in broken if name not in names and _differs(tree.path / name, newer / name)]


def _differs(old: Path, new: Path) -> bool:
    return old.is_file() and new.is_file() and old.read_bytes() != new.read_bytes()


def _build(
    names: Sequence[str], kernel: StockKernel, tree: PreparedTree, newer: Path, out: Path, symbols: SymbolTable
) -> Outcome:
    key = re.sub(r"[^A-Za-z0-9]", "-", names[0][:-2])[-40:].strip("-")
    diff = out / f"{key}.patch"
    diff.write_text("".join(_diff(name, tree.path, newer) for name in names), "utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory(prefix="kpatch-fixes-") as temporary:
        done = _kpatch_build(kernel, "-d", "-n", key, "-o", out, diff, temporary=Path(temporary))
        outcome = _judge(names[0], done)
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
    tried = sum(count[kind] for kind in _TRIED)
    codes = Counter(code for outcome in outcomes for code in outcome.codes)
    return {
        **fixes_modules.count(modular),
        **fixes_modules.load(kernel, core, of_modules[:LOADED]),
        "fixes.tried": tried,
        **{f"fixes.{kind}": count[kind] for kind in ("built", "refused", "failed", "unchanged", "need_header")},
        "fixes.with_headers": sum(each.with_headers for each in outcomes if each.kind in _TRIED),
        "fixes.with_headers_built": sum(each.with_headers for each in outcomes if each.kind == "built"),
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
