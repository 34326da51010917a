"""Builds the core module and the hand-written test modules for an unpacked stock kernel."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch.kernel.buildroot import HOST, Buildroot
from tests.vm import tiny
from tests.vm.kernels import StockKernel

TOP = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent / "kmod"

PATCHED = (
    *("si_meminfo", "nr_free_buffer_pages", "get_max_files", "msleep_interruptible", "memcpy"),
    *("vfs_write", "do_one_initcall"),
)
"""Functions that the test patches replace, or want to; most are exported, since caller.ko calls them."""


@dataclass(frozen=True)
class TestModule:
    """One patch module: ``kpatch-NAME.ko`` from ``source`` with ``defines``; ``funcs`` entries in its table."""

    __test__ = False
    name: str
    source: str
    funcs: int
    defines: Sequence[str] = ()
    trampolines: bool = True
    livepatch: bool = False


def _bad(name: str, define: str, funcs: int = 3) -> TestModule:
    return TestModule(f"bad-{name}", "memory-mark.c", funcs, ("MARK=6666", define))


MODULES = (
    TestModule("one", "memory-mark.c", 3, ("MARK=1111",)),
    TestModule("two", "memory-mark.c", 3, ("MARK=2222", "TEST_FLAGS=1")),
    TestModule("three", "memory-mark.c", 1, ("MARK=3333", "TEST_ONE", "TEST_FLAGS=1")),
    TestModule("top", "memory-mark.c", 1, ("MARK=4444", "TEST_ONE")),
    TestModule("ops", "memory-mark.c", 3, ("MARK=1111",), trampolines=False),
    TestModule("files", "max-files.c", 1, ("MARK=5555",)),
    TestModule("files-ops", "max-files.c", 1, ("MARK=5555",), trampolines=False),
    TestModule("chain-one", "chain.c", 3, ("MARK=1111",)),
    TestModule("chain-two", "chain.c", 3, ("MARK=2222", "TEST_FLAGS=1")),
    TestModule("chain-three", "chain.c", 3, ("MARK=3333", "TEST_FLAGS=1")),
    TestModule("sleeper", "sleeper.c", 1),
    TestModule("force", "sleeper.c", 1, ("FORCE",)),
    TestModule("veto", "sleeper.c", 1, ("VETO",)),
    TestModule("pair-one", "pair.c", 2, ("MARK=1111",)),
    TestModule("pair-two", "pair.c", 2, ("MARK=2222",)),
    TestModule("path", "path.c", 2),
    _bad("release", 'TEST_RELEASE="6.1.0-0-elsewhere"'),
    _bad("version", 'TEST_VERSION="#1 SMP someday"'),
    _bad("build-id", "TEST_BUILD_ID=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20"),
    _bad("notes", "TEST_NOTES_DELTA=0x7fffff0000000000UL"),
    _bad("name", "BAD_NAME"),
    _bad("offset", "BAD_OFFSET"),
    _bad("size", "BAD_SIZE"),
    _bad("zero", "BAD_ZERO"),
    _bad("string", "BAD_STRING"),
    _bad("new", "BAD_NEW"),
    _bad("new-data", "BAD_NEW_DATA"),
    _bad("callback", "BAD_CALLBACK"),
    _bad("callbacks", "BAD_CALLBACKS"),
    _bad("flags", "BAD_FLAGS"),
    _bad("module", "BAD_MODULE"),
    _bad("twice", "BAD_TWICE", 2),
    _bad("notrace", "BAD_NOTRACE", 2),
)


def facts(kernel: StockKernel) -> dict[str, str]:
    """What kpatch-build finds out about a kernel image, asked from the booted kernel; values are C text."""
    script = "uname -r; uname -v; hexdump -v -e '1/1 \"%02x\"' /sys/kernel/notes; echo; "
    script += "grep -E ' (vprintk|__start_notes|__stop_notes)$' /proc/kallsyms"
    release, version, notes, *rows = tiny.run(kernel.vmlinuz, script).check().splitlines()[:6]
    address = {row.split()[2]: int(row.split()[0], 16) for row in rows}
    build_id = re.search("0400000014000000" + "03000000474e5500" + "([0-9a-f]{40})", notes)
    assert build_id, f"{kernel.release}: no build-id in its notes"
    found = {
        "RELEASE": json.dumps(release),
        "VERSION": json.dumps(version),
        "BUILD_ID": ",".join(f"0x{byte:02x}" for byte in bytes.fromhex(build_id.group(1))),
        "NOTES_DELTA": f"{address['__start_notes'] - address['vprintk']}L",
        "NOTES_LEN": str(address["__stop_notes"] - address["__start_notes"]),
    }
    for name, (start, size) in tiny.symbols(kernel, [*PATCHED, "vprintk"]).items():
        found[f"SIZE_{name}"] = str(size)
        found[f"DELTA_{name}"] = str(start)
    anchor = int(found["DELTA_vprintk"])
    return {name: f"{int(value) - anchor}L" if name.startswith("DELTA_") else value for name, value in found.items()}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def module_directory(place: Path, module: TestModule, values: Mapping[str, str]) -> None:
    object_name = f"kpatch-{module.name}"
    glue = ("livepatch-hook",) if module.livepatch else ("patch-hook", "trampolines")
    for path in (TOP / "kmod" / "patch").iterdir():
        if path.suffix == ".h" or path.stem in glue:
            copy(path, place / path.name)
    copy(HERE / "testpatch.h", place / "testpatch.h")
    copy(HERE / module.source, place / "main.c")
    write(place / "facts.h", "".join(f"#define FACT_{name} {value}\n" for name, value in values.items()))
    params = f"#define KPATCH_NR_FUNCS {module.funcs}\n" if module.trampolines else ""
    params += f'#define KPATCH_NAME "{module.name}"\n#define KPATCH_CHECKSUM "sum-of-{module.name}"\n'
    write(place / "kpatch-params.h", params)
    defines = "".join(f"#define {define.replace('=', ' ', 1)}\n" for define in module.defines)
    write(place / "defines.h", f"{defines}#ifndef KPATCH_NR_FUNCS\n#define KPATCH_NR_FUNCS {module.funcs}\n#endif\n")
    write(
        place / "Kbuild",
        f"obj-m := {object_name}.o\n{object_name}-y := main.o {' '.join(f'{name}.o' for name in glue)}\n"
        "CFLAGS_main.o := -include $(src)/kpatch-params.h -include $(src)/defines.h\n",
    )


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def headers(kernel: StockKernel, place: Path) -> Path:
    """A KDIR for modules of ``kernel``: in its build root the installed one, here a directory made at ``place``.

    Debian's linux-headers-REL is a small directory whose Makefile includes an absolute path, and whose scripts and
    tools are relative links. So: links to all that is there, absolute, and a Makefile that includes the right one.
    """
    installed = Path("usr/src") / f"linux-headers-{kernel.release}"
    source = kernel.root / installed
    if kernel.buildroot:
        return "/" / installed
    if not source.exists():  # a kernel built by hand: its own tree will do
        return kernel.root
    place.mkdir(parents=True, exist_ok=True)
    for each in source.iterdir():
        link = place / each.name
        if each.name != "Makefile" and not link.is_symlink():
            link.symlink_to(each.resolve())
    common = re.search(r"^include /(\S+)", (source / "Makefile").read_text(), re.MULTILINE)
    assert common, f"{source}/Makefile: no include of the common headers"
    (place / "Makefile").write_text(f"include {kernel.root / common.group(1)}\n")
    return place


def make(kernel: StockKernel, directory: Path, symbols: Path | None = None, flags: str = "") -> None:
    """Compile the modules in ``directory`` with the kernel's headers; warnings are errors.

    ``symbols``: the Module.symvers of the modules that they use. What is read lies below ``directory``'s parent.
    """
    command: list[str | Path] = ["make", "-s", "-C", headers(kernel, directory.parent / "headers"), f"M={directory}"]
    command += [f"KCFLAGS={flags}", "modules"]
    if symbols:
        command.append(f"KBUILD_EXTRA_SYMBOLS={symbols}")
    tools = Buildroot(kernel.buildroot, [directory.parent]) if kernel.buildroot else HOST
    done = tools.run(command, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{said}"
    assert "warning" not in said.lower().replace("warning: the compiler differs", ""), said


def build(kernel: StockKernel, place: Path) -> dict[str, Path]:
    """Build everything under ``place``; return module file by name: kpatch, caller, kpatch-one, ...

    ``faults`` is the core module once more, with steps that fail on demand (its parameter fail_step).
    """
    shutil.copytree(TOP / "kmod", place / "kmod", ignore=shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*"))
    shutil.copytree(place / "kmod", place / "faults")
    make(kernel, place / "kmod" / "core")
    make(kernel, place / "faults" / "core", flags="-DKPATCH_FAULTS")
    values = facts(kernel)
    tests = place / "tests"
    for module in MODULES:
        module_directory(tests / module.name, module, values)
    for name in (
        "caller.c",
        "caller-compat.h",
        "chaincaller.c",
        "measure.c",
        "neighbour.c",
        "nmicaller.c",
        "shadow.c",
    ):
        copy(HERE / name, tests / name)
    copy(TOP / "kmod" / "patch" / "kpatch-patch.h", tests / "kpatch-patch.h")
    write(
        tests / "Kbuild",
        "obj-m := caller.o chaincaller.o measure.o nmicaller.o shadow.o "
        + " ".join(f"{module.name}/" for module in MODULES)
        + "\n"
        "obj-m += $(if $(CONFIG_LIVEPATCH),neighbour.o)\n"
        "has-setup := $(shell grep -s hrtimer_setup $(srctree)/include/linux/hrtimer.h)\n"
        "ccflags-$(if $(has-setup),y) += -DKP_HAVE_HRTIMER_SETUP\n",
    )
    make(kernel, tests, place / "kmod" / "core" / "Module.symvers")
    found = [*place.glob("kmod/core/*.ko"), *tests.glob("*.ko"), *tests.glob("*/*.ko")]
    return {"faults": place / "faults" / "core" / "kpatch.ko", **{path.stem: path for path in found}}
