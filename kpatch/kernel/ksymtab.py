"""What the kernel exports to modules, from Module.symvers, and which exports serve as anchors.

Each line holds, separated by tabs: CRC, name, module (``vmlinux`` or a path without .ko), kind of
export (``EXPORT_SYMBOL``, ``EXPORT_SYMBOL_GPL``), and from 5.4 on the namespace, empty as a rule; 5.4 and 5.5 write
it behind the name (scripts/mod/modpost.c, write_dump()).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kpatch.errors import BadInput
from kpatch.kernel.symbols import Symbol, SymbolTable

__all__ = ["Anchors", "Export", "Exports", "choose_anchors"]

_REMEDY = "install the kernel's headers or development package, or name the file with --symvers"

# Tried first, so that modules for one kernel look alike; any other export does as well.
_KNOWN = ("_printk", "printk", "kfree", "memcpy", "__kmalloc")
_KNOWN_PERCPU = ("this_cpu_off", "cpu_number", "current_task", "pcpu_hot", "softnet_data")


class Export(NamedTuple):
    """One exported symbol; ``crc`` is 0 in kernels without CONFIG_MODVERSIONS."""

    name: str
    crc: int
    module: str
    gpl_only: bool
    namespace: str


class Exports:
    """The exports of one kernel and its modules, by name."""

    def __init__(self, exports: Iterable[Export]) -> None:
        self._by_name = {export.name: export for export in exports}

    @classmethod
    def read(cls, path: str | Path) -> Exports:
        """Parse the Module.symvers at ``path``.  Raises :class:`BadInput` when it is none."""
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot read {path}: {error}", _REMEDY) from error
        exports = cls(_parse(line, str(path), number) for number, line in enumerate(lines, 1) if line)
        if not any(export.module == "vmlinux" for export in exports):
            raise BadInput(f"{path} lists no export of vmlinux", _REMEDY)
        return exports

    def __iter__(self) -> Iterator[Export]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Export | None:
        """The export called ``name``, or None."""
        return self._by_name.get(name)

    def by_kernel(self, name: str) -> Export | None:
        """The export called ``name`` when vmlinux itself exports it, or None."""
        export = self.get(name)
        return export if export and export.module == "vmlinux" else None


class Anchors(NamedTuple):
    """Exported symbols that others are reached from; ``percpu`` for symbols of the per-CPU area."""

    kernel: Symbol
    percpu: Symbol | None

    def for_address(self, address: int, symbols: SymbolTable) -> Symbol | None:
        """The anchor that moves together with ``address``; None when there is none of that kind."""
        return self.percpu if symbols.is_percpu(address) else self.kernel


def choose_anchors(exports: Exports, symbols: SymbolTable) -> Anchors:
    """An export of vmlinux in no namespace and without namesakes, for each kind of address.

    Raises :class:`BadInput` when the exports and the symbols have nothing in common.
    """
    kernel = _choose(_KNOWN, exports, symbols, percpu=False)
    if kernel is None:
        raise BadInput("no symbol that Module.symvers exports is in the kernel image", _REMEDY)
    return Anchors(kernel, _choose(_KNOWN_PERCPU, exports, symbols, percpu=True))


def _choose(known: tuple[str, ...], exports: Exports, symbols: SymbolTable, percpu: bool) -> Symbol | None:
    for name in (*known, *sorted(export.name for export in exports)):
        export = exports.by_kernel(name)
        symbol = symbols.unique(name)
        if export is None or export.namespace or symbol is None or symbols.is_percpu(symbol.address) != percpu:
            continue
        # An absolute symbol (type A outside of the per-CPU area) does not move with KASLR.
        if percpu or symbol.type in "TDRBtdrb":
            return symbol
    return None


def _parse(line: str, where: str, number: int) -> Export:
    fields = line.split("\t")
    try:
        if len(fields) == 5 and fields[4].startswith("EXPORT_"):
            fields = [*fields[:2], *fields[3:], fields[2]]
        crc, name, module, kind = fields[:4]
        return Export(name, int(crc, 16), module, kind.endswith("_GPL"), fields[4] if len(fields) > 4 else "")
    except ValueError as error:
        raise BadInput(f"{where}, line {number}: not a line of a Module.symvers: {line!r}", _REMEDY) from error
