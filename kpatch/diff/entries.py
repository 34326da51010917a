"""What included code says in special sections: its entries, and the code fragments that they lead to, are copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity, View
from kpatch.diff.outobject import OutObject
from kpatch.diff.result import DiffResult
from kpatch.diff.special import Entry, SpecialTables
from kpatch.elf.object import Reloc, Section, Symbol
from kpatch.errors import Unpatchable

__all__ = ["Entries"]

_ORC_IP, _ORC = ".orc_unwind_ip", ".orc_unwind"
_STATIC_CALLS = ".static_call_sites"
_TRACES = ("__tracepoint_", "__UNIQUE_ID_ddebug")


class Entries:
    """Copies entries to ``out``; ``symbols``: the functions that are in it, ``variable``: how code refers to one."""

    def __init__(
        self,
        comparer: Comparer,
        out: OutObject,
        symbols: Mapping[Entity, Symbol],
        variable: Callable[[str], Symbol],
        result: DiffResult,
    ) -> None:
        self.comparer = comparer
        self.tables: SpecialTables = comparer.tables[1]
        self.view: View = comparer.p
        self.out = out
        self.symbols = symbols
        self.variable = variable
        self.result = result
        #: the copy of the entry that begins at a place, or None where it is left out
        self._copies: dict[tuple[Section, int], tuple[Section, int] | None] = {}
        #: by place and length: a replacement of no bytes begins where the next one begins
        self._fragments: dict[tuple[Section, int, int], tuple[Section, int]] = {}

    def include(self, entry: Entry) -> None:
        """Copy ``entry``, unless the kernel can do without it in a hot patch."""
        place = entry.section, entry.start
        if entry.special.drop or place in self._copies:
            return
        self._copies[place] = None
        if entry.special.constant:
            self._load_at_run_time(entry)
            return
        key = entry.special.key.get(entry.stop - entry.start)
        if key is not None and not self._key_is_reachable(entry, entry.start + key):
            return
        self._copies[place] = self.out.append(entry.section, entry.start, entry.stop, entry.special.align)
        self._count(entry.special.name)
        if entry.special.name == _ORC_IP:
            self._include_orc(entry)

    def place(self, table: Section, offset: int) -> tuple[Symbol, int]:
        """Where the copy of an entry is that code refers to. Raises Unpatchable when it has none."""
        entry = self.tables.entry_at(table, offset)
        if entry is not None:
            self.include(entry)
        copy = self._copies.get((entry.section, entry.start)) if entry is not None else None
        if entry is None or copy is None:
            raise Unpatchable(f"code refers to {table.name}+{offset:#x}, where no entry of its own is")
        out, at = copy
        assert out.symbol is not None
        return out.symbol, at + offset - entry.start

    def fragment_place(self, section: Section, field: int, target: Section, offset: int) -> tuple[Symbol, int]:
        """Where the copy of the code fragment ``target+offset`` is that ``section+field`` refers to."""
        entry = self.tables.entry_at(section, field)
        slot = field - entry.start if entry is not None else 0
        start, stop = self.tables.blob(entry, slot, target, offset)
        out, at = self._fragment(target, start, stop)
        assert out.symbol is not None
        return out.symbol, at + offset - start

    def _fragment(self, section: Section, start: int, stop: int) -> tuple[Section, int]:
        known = self._fragments.get((section, start, stop))
        if known is None:
            known = self._fragments[section, start, stop] = self.out.append(section, start, stop)
            entries = self.tables.entries_in(section, start, stop)
            for entry in entries:
                self.include(entry)
            out, at = known
            assert out.symbol is not None
            self._begin_unwinding(section, start, entries, out.symbol, at)
        return known

    def _count(self, name: str) -> None:
        self.result.special[name] = self.result.special.get(name, 0) + 1

    # -- the unwinder's tables --------------------------------------------------------------

    def _include_orc(self, entry: Entry) -> None:
        """The unwinder's record that goes with an instruction pointer: same number, other section."""
        records = self.view.obj.section(_ORC)
        count = entry.section.size // 4
        if records is None or records.size % count:
            raise Unpatchable(f"the unwind tables {_ORC} and {_ORC_IP} do not fit together")
        size = records.size // count
        number = entry.start // 4
        self.out.append(records, number * size, (number + 1) * size)
        self._count(_ORC)

    def begin_unwinding(self, function: Entity, entries: list[Entry]) -> None:
        """An unwind entry for the start of ``function``, when the one of its neighbour served it too."""
        lead = function.lead - function.start
        self._begin_unwinding(function.section, function.lead, entries, self.symbols[function], lead)

    def _begin_unwinding(self, code: Section, start: int, entries: list[Entry], symbol: Symbol, offset: int) -> None:
        """The same for what begins at ``code[start]`` and is ``symbol`` plus ``offset`` in the hot patch."""
        if any(entry.special.name == _ORC_IP and _site(entry) <= start for entry in entries):
            return
        before = [
            entry
            for entry in self.tables.entries_of_section(code)
            if entry.special.name == _ORC_IP and _site(entry) < start
        ]
        if before:
            nearest = max(before, key=_site)
            out, at = self.out.append_zeros(nearest.section, 4)
            out.relocs.append(Reloc(at, nearest.section.relocs[0].type, symbol, offset))
            self._count(_ORC_IP)
            self._include_orc(nearest)

    # -- keys of modules --------------------------------------------------------------------

    def _key_is_reachable(self, entry: Entry, slot: int) -> bool:
        """Whether the kernel can find the static key of ``entry``, named at ``slot``, while it loads the hot patch."""
        relocs = self.view.relocs_between(entry.section, slot, slot + 1)
        if not relocs or self.result.objname == "vmlinux":
            return True
        ref = self.view.ref(entry.section, relocs[0])
        if not isinstance(ref.target, Entity) or ref.target not in self.comparer.twins.original:
            return True
        name = ref.target.name
        if entry.section.name == _STATIC_CALLS:
            return False  # the call goes to the trampoline instead, which the kernel keeps up to date as well
        if name.startswith(_TRACES):
            where = self._turn_off(entry)
            self.result.warnings.append(f"{where}: {name} stays silent while the hot patch is in force")
            return False
        self.result.refuse(
            "module-key",
            name,
            entry.section.name,
            f"the static key {name} belongs to module {self.result.objname}",
            "use static_key_enabled() in the patched function instead of static_branch_*()",
        )
        return False

    def _turn_off(self, entry: Entry) -> str:
        """Put a nop at the jump label of ``entry``, where the compiler left a jump; the name of its function."""
        code, at = self._site_in_out(entry)
        if code is None:
            return entry.section.name
        nop = self.view.machine.jump_nops.get(code.data[at], b"")
        code.data = code.data[:at] + nop + code.data[at + len(nop) :]
        return _function_of(entry)

    # -- constants in code ------------------------------------------------------------------

    def _load_at_run_time(self, entry: Entry) -> None:
        """Make code read a variable whose value the kernel has written into its own code when it started."""
        name = entry.section.name[len(entry.special.name) :].partition("_")[2]
        code, at = self._site_in_out(entry)
        found = self.view.machine.load_instead(code.data, at) if code is not None else None
        if code is None or found is None:
            where = _function_of(entry)
            self.result.refuse(
                "runtime-constant",
                where,
                entry.section.name,
                f"{where} uses {name}, which the kernel writes into its own code when it starts",
                "leave the function as it is, and change its callers",
            )
            return
        start, load, field = found
        code.data = code.data[:start] + load + code.data[start + len(load) :]
        code.relocs.append(Reloc(field, self.view.machine.r_pc32, self.variable(name), -4))

    def _site_in_out(self, entry: Entry) -> tuple[Section | None, int]:
        """Section and offset of the copied code that ``entry`` is about; None when it lies in no copied function."""
        function = entry.site.target
        symbol = self.symbols.get(function) if isinstance(function, Entity) else None
        return (symbol.section, symbol.value + entry.site.offset) if symbol is not None else (None, 0)


def _function_of(entry: Entry) -> str:
    function = entry.site.target
    return function.name if isinstance(function, Entity) else entry.section.name


def _site(entry: Entry) -> int:
    """Where in its section the code of ``entry`` lies."""
    target = entry.site.target
    return entry.site.offset + (target.start if isinstance(target, Entity) else 0)
