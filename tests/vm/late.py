"""Builds a module to be patched, and hand-written patches for it that know what kpatch-build finds out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.vm import kmods
from tests.vm.kernels import StockKernel
from tests.vm.kmods import TestModule

SOURCE = kmods.HERE / "late"

SUM = 200 + 101 + 100 + 3000 + 200
"""What kmod/late/patch.c adds to its mark: the values that its relocations lead to."""


ALONE = ("TEST_MODULE_ONLY", "TEST_NO_RELOCS")
"""Nothing but a function of the target, and no references from it."""


def _patch(name: str, mark: int, *defines: str, funcs: int = 2, trampolines: bool = True) -> TestModule:
    return TestModule(f"late-{name}", "late/patch.c", funcs, (f"MARK={mark}", *defines), trampolines)


def _livepatch(name: str, mark: int, *defines: str) -> TestModule:
    return TestModule(f"late-{name}", "late/patch.c", 1, (f"MARK={mark}", *ALONE, *defines), livepatch=True)


def _bad(name: str) -> TestModule:
    return _patch(f"bad-{name}", 7, f"BAD_{name.upper()}")


DAMAGED = ("address", "bounds", "object", "place", "string", "symobj", "table", "type")
"""Patches that are refused wherever the target is."""

UNFIT = ("ambiguous", "build", "depot", "function", "rank", "reach", "size", "symbol")
"""Patches that do not fit this target: refused when it is there, else it is refused when it comes."""

MODULES = (
    _patch("one", 1),
    _patch("two", 2, "TEST_OTHER"),
    _patch("ops", 3, trampolines=False),
    _patch("replace", 4, "TEST_FLAGS=1"),
    _patch("alone", 5, *ALONE, funcs=1),
    _patch("veto", 6, "VETO"),
    _patch("asks", 8, "ASKS"),
    _livepatch("klp", 9),
    _livepatch("klp-build", 9, "BAD_BUILD"),
    *map(_bad, (*DAMAGED, *UNFIT)),
)


def readelf(option: str, module: Path) -> str:
    """What readelf prints of a module."""
    # Its status is 1 for every kind of note that is younger than itself.
    return subprocess.run(["readelf", option, module], check=False, capture_output=True, text=True).stdout


def _facts(module: Path) -> dict[str, str]:
    """Build-id and sizes of the functions of a module, as C text."""
    found = re.search(r"Build ID: (\w+)", readelf("-n", module))
    assert found, f"{module}: no build-id"
    values = {f"ID_{module.stem}": ",".join(f"0x{byte:02x}" for byte in bytes.fromhex(found.group(1)))}
    for size, name in re.findall(r"^ *\d+: \w+ +(\d+) FUNC .* (\S+)$", readelf("-sW", module), re.M):
        values[f"SIZE_{name}"] = size
    return values


def build(kernel: StockKernel, core: Path) -> Mapping[str, Path]:
    """The target's modules and the patches, by name; ``core`` is the directory where kpatch.ko was built."""
    place = core.parents[1]
    target, patches = place / "late-target", place / "late-patches"
    for name in ("target.c", "twin.c", "depot.c", "target.h"):
        kmods.copy(SOURCE / name, target / name)
    kmods.write(
        target / "Kbuild",
        "obj-m := late_target.o late_depot.o\nlate_target-y := target.o twin.o\nlate_depot-y := depot.o\n",
    )
    kmods.make(kernel, target)
    values = kmods.facts(kernel)
    for name in ("late_target", "late_depot"):
        values.update(_facts(target / f"{name}.ko"))
    for module in MODULES:
        kmods.module_directory(patches / module.name, module, values)
    wanted = {kind: " ".join(f"{each.name}/" for each in MODULES if each.livepatch == kind) for kind in (False, True)}
    kmods.write(patches / "Kbuild", f"obj-m := {wanted[False]}\nobj-m += $(if $(CONFIG_LIVEPATCH),{wanted[True]})\n")
    kmods.make(kernel, patches, core / "Module.symvers")
    return {path.stem: path for path in (*target.glob("*.ko"), *patches.glob("*/*.ko"))}
