"""Inclusion: exactly the closure that the changed functions need, written to the out object.

Rules: a call of an included function goes to its new body; a pointer to a function of the
running kernel stays a pointer to the original, so that pointers compare equal and everything
is redirected in one place; data of the running kernel is referred to, never copied; strings,
compiler constants and objects of one macro use are copied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kpatch.diff.changes import Changes, Users, labels_in
from kpatch.diff.compare import Comparer
from kpatch.diff.model import Entity, Ref, View
from kpatch.diff.names import is_cold_child, is_filled_when_linked, is_init_section
from kpatch.diff.result import DiffResult, Refusal
from kpatch.diff.special import Entry, SpecialTables, blob_size
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol
from kpatch.errors import Unpatchable

__all__ = ["Inclusion"]


_ORC_IP = ".orc_unwind_ip"
_STATIC_CALLS = ".static_call_sites"
_NO_CONSTANT = "leave the function as it is, and change its callers"


class Inclusion:
    """Builds the out object from the patched one. All sets hold entities of the patched side."""

    def __init__(
        self, comparer: Comparer, users: Users, changes: Changes, ambiguous: set[Entity], result: DiffResult
    ) -> None:
        self.comparer = comparer
        #: who refers to what in the original
        self.original_users = users
        self.tables: SpecialTables = comparer.tables[1]
        self.view: View = comparer.p
        self.changes = changes
        self.ambiguous = ambiguous
        self.result = result
        self.out = ElfObject(self.view.obj.machine, self.view.obj.order, self.view.obj.flags, self.view.obj.osabi)
        self.symbols: dict[Entity, Symbol] = {}
        self._undefined: dict[str, Symbol] = {}
        #: what of the original the undefined names mean
        self._named: dict[str, Entity] = {}
        self._address_taken: set[str] = set()
        self._copies: dict[tuple[Section, int], tuple[Section, int]] = {}
        #: the author's callback tables are copied whole
        self._whole: dict[Section, tuple[Section, int]] = {}
        #: by place and length: a replacement of no bytes begins where the next one begins
        self._fragments: dict[tuple[Section, int, int], tuple[Section, int]] = {}
        self._pools: dict[tuple[str, int], tuple[Section, dict[bytes, int]]] = {}
        #: the copy of the entry that begins at a place, or None where it is left out
        self._entries: dict[tuple[Section, int], tuple[Section, int] | None] = {}
        self._todo: list[Entity] = []
        self._special_out: dict[str, Section] = {}
        #: parts of out sections to relocate: (view section, start, stop, out section, out start)
        self._pending: list[tuple[Section, int, int, Section, int]] = []

    def run(self, extra: list[Section], wanted: Collection[str] = ()) -> ElfObject:
        """Include the changed functions, the author's sections ``extra``, and all that they need.

        ``wanted``: new global functions and data that other objects of the patch refer to.
        """
        for function in self._in_order(self.changes.changed):
            self._include_function(function)
        for entity in self.wanted(wanted):
            if entity.is_function:
                self._include_function(entity)
            else:
                self._object(entity)
        for section in extra:
            self._whole[section] = self._copy_range(section, 0, section.size, section.name)
        while self._pending:
            self._relocate(*self._pending.pop(0))
        self._finish_pools()
        return self.out

    def wanted(self, names: Collection[str]) -> list[Entity]:
        """The new global functions and data of the patched object that are called one of ``names``."""
        return [
            entity
            for entity in (*self.view.functions, *self.view.objects)
            if entity.symbol.bind != c.STB_LOCAL
            and entity.name in names
            and entity not in self.comparer.twins.original
        ]

    def _in_order(self, entities: set[Entity]) -> Iterator[Entity]:
        return (entity for entity in self.view.functions if entity in entities)

    # -- what is copied -------------------------------------------------------------------

    def _include_function(self, function: Entity) -> Symbol:
        """Copy ``function``, with those that it can only reach by a short jump."""
        if function in self.symbols:
            return self.symbols[function]
        members = self._cluster(function)
        section = function.section
        alone = len(self.view.in_section[section]) == 1
        start = 0 if alone else min(member.lead for member in members)
        stop = section.size if alone else max(member.end for member in members)
        copy = self._new_section(section, start, stop, section.name if alone else f".text.{function.name}")
        if not alone:
            copy.data = _blanked(section.data[start:stop], [(m.lead - start, m.end - start) for m in members])
        for member in members:
            self._place_function(member, copy, start)
        for member in members:
            at, end = (start, stop) if alone else (member.lead, member.end)
            self._pending.append((section, at, end, copy, at - start))
            entries = self._entries_of(member, section, at, end)
            for entry in entries:
                self._include_entry(entry)
            if not alone:
                self._begin_unwinding(member, entries)
        return self.symbols[function]

    def _place_function(self, function: Entity, copy: Section, start: int) -> None:
        section = function.section
        if is_init_section(section.name) and function not in self.changes.changed:
            self._refuse(
                "init-code", function.name, section.name, "new code calls a function that the kernel frees after start"
            )
        original = self.comparer.twins.original.get(function)
        symbol = Symbol(original.name if original else function.name, copy, function.start - start, function.size)
        symbol.type = c.STT_FUNC
        self.symbols[function] = self.out.add_symbol(symbol)
        if original is None:
            # Other objects of the same patch may call what is new.
            symbol.bind = function.symbol.bind
            self.result.new_functions.append(function.name)

    def _cluster(self, function: Entity) -> list[Entity]:
        """``function`` and what short jumps tie to it: they must keep their distance."""
        section = function.section
        found, todo = {function}, [function]
        while todo and len(self.view.in_section[section]) > 1:
            member = todo.pop()
            for _, width, target in self.view.hidden_branches(section, member.start, member.end):
                other = self.view.entity_at(section, target)
                if width == 1 and other is not None and other not in found and other not in self.symbols:
                    found.add(other)
                    todo.append(other)
        return sorted(found, key=lambda member: member.start)

    def _entries_of(self, function: Entity, section: Section, start: int, stop: int) -> list[Entry]:
        """Its entries, and those of places in its section that no function covers (its end)."""
        entries = [*self.tables.entries_of(function), *self.tables.entries_in(section, start, stop + 1)]
        return sorted(entries, key=lambda entry: (entry.section.name, entry.start))

    def _include_object(self, entity: Entity) -> Symbol:
        section = entity.section
        if entity in self.ambiguous:
            self._refuse(
                "ambiguous-static-local",
                entity.name,
                section.name,
                f"static variable {entity.name} could be one of several variables of the running kernel",
                "give the static variables different names, or use a shadow variable",
            )
        if is_init_section(section.name):
            self._refuse("init-data", entity.name, section.name, "new data that is freed after start is used")
        if is_filled_when_linked(section.name):
            message = f"new code uses {entity.name}, which only the link of the kernel could fill in"
            self._refuse("changed-registration", entity.name, section.name, message)
        alone = len(self.view.in_section[section]) == 1
        start, stop = (0, section.size) if alone else (entity.start, entity.end)
        original = self.comparer.twins.original.get(entity)
        symbol = Symbol(original.name if original else entity.name, None, entity.start - start, entity.size)
        symbol.type = entity.symbol.type
        if original is None:
            symbol.bind = entity.symbol.bind
        self.symbols[entity] = symbol
        symbol.section, _ = self._copy_range(section, start, stop, section.name)
        self.out.add_symbol(symbol)
        self.result.new_data.append(entity.name)
        return symbol

    def _copy_range(self, section: Section, start: int, stop: int, name: str) -> tuple[Section, int]:
        """Copy ``section[start:stop]`` once; its references follow later. Returns section and offset."""
        known = self._copies.get((section, start))
        if known is not None:
            return known
        copy = self._new_section(section, start, stop, name)
        self._copies[section, start] = copy, 0
        self._pending.append((section, start, stop, copy, 0))
        return copy, 0

    def _new_section(self, section: Section, start: int, stop: int, name: str) -> Section:
        data = b"" if section.type == c.SHT_NOBITS else section.data[start:stop]
        flags = section.flags & ~(c.SHF_GROUP | c.SHF_LINK_ORDER)
        copy = Section(name, section.type, flags, data, _alignment(section, start), section.entsize, stop - start)
        return self.out.add_section(copy)

    def _append(self, out: Section, section: Section, start: int, stop: int, align: int) -> int:
        """Append ``section[start:stop]`` to ``out``; returns where it begins."""
        pad = -out.size % align
        offset = out.size + pad
        out.data += bytes(pad) + section.data[start:stop]
        out.size = len(out.data)
        self._pending.append((section, start, stop, out, offset))
        return offset

    def _fragment(self, section: Section, start: int, stop: int) -> tuple[Section, int]:
        """The copy of a code fragment, in one out section for all of its kind."""
        known = self._fragments.get((section, start, stop))
        if known is None:
            out = self._out_table(section)
            known = self._fragments[section, start, stop] = out, self._append(out, section, start, stop, 1)
            for entry in self.tables.entries_in(section, start, stop):
                self._include_entry(entry)
        return known

    def _out_table(self, section: Section) -> Section:
        out = self._special_out.get(section.name)
        if out is None:
            flags = section.flags & ~(c.SHF_GROUP | c.SHF_LINK_ORDER)
            out = Section(section.name, section.type, flags, b"", section.addralign, section.entsize)
            self._special_out[section.name] = self.out.add_section(out)
        return out

    def _include_entry(self, entry: Entry) -> None:
        place = entry.section, entry.start
        if entry.special.drop or place in self._entries:
            return
        self._entries[place] = None
        if entry.special.constant:
            self._load_at_run_time(entry)
            return
        key = entry.special.key.get(entry.stop - entry.start)
        if key is not None and not self._key_is_reachable(entry, entry.start + key):
            return
        out = self._out_table(entry.section)
        self._entries[place] = out, self._append(out, entry.section, entry.start, entry.stop, entry.special.align)
        self.result.special[entry.special.name] = self.result.special.get(entry.special.name, 0) + 1
        if entry.special.name == _ORC_IP:
            self._include_orc(entry)

    def _include_orc(self, entry: Entry) -> None:
        """The unwinder's record that goes with an instruction pointer: same number, other section."""
        records = self.view.obj.section(".orc_unwind")
        count = entry.section.size // 4
        if records is None or records.size % count:
            raise Unpatchable("the unwind tables .orc_unwind and .orc_unwind_ip do not fit together")
        size = records.size // count
        number = entry.start // 4
        self._append(self._out_table(records), records, number * size, (number + 1) * size, 1)
        self.result.special[".orc_unwind"] = self.result.special.get(".orc_unwind", 0) + 1

    def _begin_unwinding(self, function: Entity, entries: list[Entry]) -> None:
        """An unwind entry for the start of ``function``, when the one of its neighbour served it too."""
        if any(entry.special.name == _ORC_IP and _site(entry) <= function.lead for entry in entries):
            return
        before = [
            entry
            for entry in self.tables.entries_of_section(function.section)
            if entry.special.name == _ORC_IP and _site(entry) < function.lead
        ]
        if before:
            nearest = max(before, key=_site)
            out = self._out_table(nearest.section)
            offset = self._append(out, nearest.section, nearest.start, nearest.start, 1)
            out.data += bytes(4)
            out.size += 4
            kind = nearest.section.relocs[0].type
            out.relocs.append(Reloc(offset, kind, self.symbols[function], function.lead - function.start))
            self.result.special[_ORC_IP] = self.result.special.get(_ORC_IP, 0) + 1
            self._include_orc(nearest)

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
        if name.startswith(("__tracepoint_", "__UNIQUE_ID_ddebug")):
            where = self._turn_off(entry)
            self.result.warnings.append(f"{where}: {name} stays silent while the hot patch is in force")
            return False
        self._refuse(
            "module-key",
            name,
            entry.section.name,
            f"the static key {name} belongs to module {self.result.objname}",
            "use static_key_enabled() in the patched function instead of static_branch_*()",
        )
        return False

    def _turn_off(self, entry: Entry) -> str:
        """Put a nop at the jump label of ``entry``, where the compiler left a jump; the name of its function."""
        function = entry.site.target
        symbol = self.symbols.get(function) if isinstance(function, Entity) else None
        if symbol is None or symbol.section is None:
            return entry.section.name
        at = symbol.value + entry.site.offset
        nop = self.view.machine.jump_nops.get(symbol.section.data[at], b"")
        symbol.section.data = symbol.section.data[:at] + nop + symbol.section.data[at + len(nop) :]
        return symbol.name

    def _load_at_run_time(self, entry: Entry) -> None:
        """Make code read a variable whose value the kernel has written into its own code when it started."""
        variable = entry.section.name[len(entry.special.name) :].partition("_")[2]
        function = entry.site.target
        symbol = self.symbols.get(function) if isinstance(function, Entity) else None
        code = symbol.section.data if symbol is not None and symbol.section is not None else b""
        found = self.view.machine.load_instead(code, symbol.value + entry.site.offset) if symbol is not None else None
        if symbol is None or symbol.section is None or found is None:
            where = function.name if isinstance(function, Entity) else entry.section.name
            message = f"{where} uses {variable}, which the kernel writes into its own code when it starts"
            self._refuse("runtime-constant", where, entry.section.name, message, _NO_CONSTANT)
            return
        start, load, field = found
        symbol.section.data = code[:start] + load + code[start + len(load) :]
        target = self._variable(variable)
        symbol.section.relocs.append(Reloc(field, self.view.machine.r_pc32, target, -4))

    def _variable(self, name: str) -> Symbol:
        entity = next((entity for entity in self.view.objects if entity.name == name), None)
        return self.undefined(name) if entity is None else self._object(entity)

    # -- where references lead ------------------------------------------------------------

    def _relocate(self, section: Section, start: int, stop: int, out: Section, at: int) -> None:
        for reloc in self.view.relocs_between(section, start, stop):
            if not self.view.machine.width.get(reloc.type):
                continue
            ref = self.view.ref(section, reloc, start)
            bias = self.view.bias(section, reloc, start)
            if ref.kind == "ext":
                bias = 0
            symbol, offset = self._place_of(section, reloc.offset, start, ref)
            out.relocs.append(Reloc(at + reloc.offset - start, reloc.type, symbol, offset - bias))
        if section.is_text and len(self.view.in_section.get(section, ())) > 1:
            for field, width, target in self.view.hidden_branches(section, start, stop):
                if width == 1:
                    continue
                entity = self.view.entity_at(section, target)
                assert entity is not None
                ref = Ref("entity", entity, target - entity.start)
                symbol, offset = self._function(entity, ref, branch=True)
                place = at + field - start
                out.data = out.data[:place] + bytes(4) + out.data[place + 4 :]
                out.relocs.append(Reloc(place, self.view.machine.r_branch, symbol, offset - 4))
        out.relocs.sort(key=lambda reloc: reloc.offset)

    def _place_of(self, section: Section, field: int, start: int, ref: Ref) -> tuple[Symbol, int]:
        target = ref.target
        if ref.kind == "ext":
            if not self._enters(section, field) and target not in self.original_users.foreign_pointers:
                self._address_taken.add(str(target))
            return self.undefined(str(target)), ref.offset
        if ref.kind in ("str", "const"):
            assert isinstance(target, bytes)
            return self._pooled(ref.kind, target, ref.offset)
        if ref.kind == "abs":
            assert isinstance(target, int)
            return self._absolute(target), ref.offset
        if isinstance(target, Entity) and target.is_function:
            special = self.view.machine.special(section.name) is not None
            if target in self.symbols and (special or ref.offset):
                # An entry of the copy, or a jump inside of it: also where it is a copy of unchanged code.
                return self.symbols[target], ref.offset
            enters = self._enters(section, field) or is_cold_child(target.name)  # by a jump table
            return self._function(target, ref, enters)
        if isinstance(target, Entity):
            return self._object(target), ref.offset
        assert isinstance(target, Section)
        return self._section_place(section, field, target, ref.offset)

    def _enters(self, section: Section, field: int) -> bool:
        """Whether the reference at ``field`` is no pointer: a call or jump, or an entry of a special section."""
        machine = self.view.machine
        branch = section.is_text and machine.is_branch(section.data, field)
        return branch or machine.special(section.name) is not None

    def _function(self, target: Entity, ref: Ref, branch: bool) -> tuple[Symbol, int]:
        original = self.comparer.twins.original.get(target)
        replaced = target in self.changes.changed
        inside = ref.offset != 0 and (replaced or original is None)
        # no code could hold the address before, and the old body faults when it is called through it
        faults = original is not None and self._has_landing_pad(target) and not self._has_landing_pad(original)
        if original is None or inside or (replaced and (branch or faults)):
            return self._include_function(target), ref.offset
        self._check_freed(original, "init-code", "a function that the kernel frees after start")
        self._check_sealed(original, branch)
        return self._of_kernel(original), ref.offset

    def _has_landing_pad(self, function: Entity) -> bool:
        data = function.section.data
        return any(pad and data.startswith(pad, function.start) for pad in self.view.machine.landing_pads)

    def _check_sealed(self, original: Entity, branch: bool) -> None:
        """A pointer that no code held before may lead to a landing pad that the kernel took away."""
        if branch:
            return
        if not self._address_was_taken(original):
            self._address_taken.add(original.name)
        if not self._has_landing_pad(original):
            return
        sealed = any(entry.special.drop for entry in self.comparer.tables[0].entries_of(original))
        if (sealed or original.symbol.bind == c.STB_LOCAL) and not self._address_was_taken(original):
            self._refuse(
                "sealed-function",
                original.name,
                original.section.name,
                f"the patch takes the address of {original.name}, which no code did before: "
                "with indirect branch tracking a call through it faults",
                "call the function directly, or give the patch a copy of it under another name",
            )

    def _address_was_taken(self, original: Entity) -> bool:
        users = self.original_users
        return original in users.elsewhere or bool(users.pointers[original])

    def _object(self, entity: Entity) -> Symbol:
        if entity in self.symbols:
            return self.symbols[entity]
        original = self.comparer.twins.original.get(entity)
        if original is None or entity in self.comparer.changed_constants or self._leads_into_changed(entity):
            return self._include_object(entity)
        self._check_freed(original, "init-data", "data that the kernel frees after start")
        return self._of_kernel(original)

    def _leads_into_changed(self, table: Entity) -> bool:
        """Whether it holds labels of changed code: the one of the running kernel leads into the old body."""
        if not any(function in self.changes.changed for function in labels_in(self.view.body_of(table))):
            return False
        if table.section.flags & c.SHF_WRITE or table.symbol.bind != c.STB_LOCAL:
            message = f"{table.name} holds labels of code that changes, and it may have been written to"
            self._refuse("changed-data", table.name, table.section.name, message, "make the table static const")
        return True

    def _check_freed(self, original: Entity, code: str, what: str) -> None:
        """What is freed after start may only be used where running code used it before (``__ref``)."""
        users = self.original_users
        running = (*users.branches[original], *users.pointers[original])
        if is_init_section(original.section.name) and all(is_init_section(user.section.name) for user in running):
            message = f"new code uses {original.name}: {what}"
            self._refuse(code, original.name, original.section.name, message)

    def _section_place(self, section: Section, field: int, target: Section, offset: int) -> tuple[Symbol, int]:
        if target.name in self.view.machine.fragment_sections:
            start, stop = self._fragment_range(section, field, target, offset)
            out, at = self._fragment(target, start, stop)
            assert out.symbol is not None
            return out.symbol, at + offset - start
        if self.view.machine.special(target.name):
            return self._entry_place(target, offset)
        known = self._whole.get(target)
        if known is None and target.is_text and self.view.in_section.get(target):
            return self._end_of_function(target, offset)
        if known is None and target.flags & c.SHF_WRITE:
            self._refuse(
                "unknown-data",
                "",
                target.name,
                f"code refers to writable data without a symbol in section {target.name}",
                "report the object: the compiler did something new",
            )
        start, stop = self.view.pieces.piece(target, offset)
        out, at = known or self._copy_range(target, start, stop, target.name)
        assert out.symbol is not None
        return out.symbol, at + offset - (0 if known else start)

    def _entry_place(self, table: Section, offset: int) -> tuple[Symbol, int]:
        """Where the copy of an entry is that code refers to."""
        entry = self.tables.entry_at(table, offset)
        if entry is not None:
            self._include_entry(entry)
        place = self._entries.get((entry.section, entry.start)) if entry is not None else None
        if entry is None or place is None:
            raise Unpatchable(f"code refers to {table.name}+{offset:#x}, where no entry of its own is")
        out, at = place
        assert out.symbol is not None
        return out.symbol, at + offset - entry.start

    def _end_of_function(self, section: Section, offset: int) -> tuple[Symbol, int]:
        """A place behind a function, where its unwind entries end."""
        alone = len(self.view.in_section[section]) == 1
        for entity in self.view.in_section[section]:
            symbol = self.symbols.get(entity)
            if symbol is not None and (alone or entity.lead <= offset <= entity.end):
                return symbol, offset - entity.start
        raise Unpatchable(f"code refers to {section.name}+{offset:#x}, where no function is")

    def _fragment_range(self, section: Section, field: int, target: Section, offset: int) -> tuple[int, int]:
        entry = self.tables.entry_at(section, field)
        slot = field - entry.start if entry is not None else 0
        size = blob_size(entry, slot) if entry is not None and slot in entry.special.blobs else None
        return self.tables.fragment(target, offset) if size is None else (offset, offset + size)

    # -- symbols and pools ----------------------------------------------------------------

    def _of_kernel(self, original: Entity) -> Symbol:
        """The reference to ``original``; its name must mean one thing (``ld -r`` leaves local namesakes)."""
        known = self._named.setdefault(original.name, original)
        if known is not original:
            self._refuse(
                "ambiguous-name",
                original.name,
                original.section.name,
                f"the new code refers to two different things of the running kernel called {original.name}",
                "compare the objects of the source files before they are joined",
            )
        return self.undefined(original.name)

    def undefined(self, name: str) -> Symbol:
        """The out object's reference to ``name`` of the running kernel."""
        symbol = self._undefined.get(name)
        if symbol is None:
            symbol = self._undefined[name] = self.out.add_symbol(Symbol(name, bind=c.STB_GLOBAL))
        return symbol

    def _absolute(self, value: int) -> Symbol:
        name = f"kpatch_abs_{value:x}"
        known = next((symbol for symbol in self.out.symbols if symbol.name == name), None)
        return known or self.out.add_symbol(Symbol(name, None, value, shndx=c.SHN_ABS))

    def _pooled(self, kind: str, data: bytes, offset: int) -> tuple[Symbol, int]:
        """A string (``offset`` is the width of a character) or a merged constant."""
        width, inner = (offset, 0) if kind == "str" else (len(data), offset)
        name = f".rodata.str{width}.{width}" if kind == "str" else f".rodata.cst{width}"
        pool = self._pools.get((name, width))
        if pool is None:
            flags = c.SHF_ALLOC | c.SHF_MERGE | (c.SHF_STRINGS if kind == "str" else 0)
            section = Section(name, flags=flags, addralign=width & -width, entsize=width)
            pool = self._pools[name, width] = self.out.add_section(section), {}
        section, known = pool
        if data not in known:
            known[data] = section.size
            section.data += data
            section.size = len(section.data)
        assert section.symbol is not None
        return section.symbol, known[data] + inner

    def _finish_pools(self) -> None:
        """References into merged sections go to symbols: a linker may move the pieces apart."""
        for section, _ in self._pools.values():
            section.flags &= ~(c.SHF_MERGE | c.SHF_STRINGS)
            section.entsize = 0
        self.result.references = sorted(self._undefined)
        self.result.address_taken = sorted(self._address_taken)

    def _refuse(self, code: str, symbol: str, section: str, message: str, remedy: str = "") -> None:
        refusal = Refusal(code, symbol, section, message, remedy or "leave this part of the change out")
        if refusal not in self.result.refusals:
            self.result.refusals.append(refusal)


def _alignment(section: Section, start: int) -> int:
    """The strictest alignment that a copy from ``start`` on still needs."""
    align = max(section.addralign, 1)
    while start % align:
        align //= 2
    return align


def _blanked(data: bytes, kept: list[tuple[int, int]]) -> bytes:
    """``data`` with breakpoints (int3) in place of everything outside of the ranges ``kept``."""
    out = bytearray(b"\xcc" * len(data))
    for start, stop in kept:
        out[start:stop] = data[start:stop]
    return bytes(out)


def _site(entry: Entry) -> int:
    """Where in its section the code of ``entry`` lies."""
    target = entry.site.target
    return entry.site.offset + (target.start if isinstance(target, Entity) else 0)
