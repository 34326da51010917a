"""References into modules as livepatch wants them: relocation sections and symbols of its own names.

What ``.kpatch.relocs`` of the linked module says becomes ``.klp.rela.OBJECT.SECTION`` with symbols
``.klp.sym.MODULE.NAME,POS`` (Documentation/livepatch/module-elf-format.rst); the table is empty then.
"""

from __future__ import annotations

from pathlib import Path

from kpatch.build.moduletables import read_relocs
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, LateRelocs, Reloc, Section, Symbol

__all__ = ["use_klp_relocs"]


def use_klp_relocs(path: Path) -> None:
    """Give the linked module at ``path`` relocations that livepatch resolves, if it refers into modules."""
    obj = ElfObject.read(path)
    _convert(obj)
    if obj.late_relocs:
        path.write_bytes(obj.to_bytes())


def _convert(obj: ElfObject) -> None:
    late: dict[tuple[str, Section], list[Reloc]] = {}
    symbols: dict[str, Symbol] = {}
    for entry in read_relocs(obj):
        name = f".klp.sym.{entry.module}.{entry.symbol},{entry.sympos}"
        if name not in symbols:
            symbols[name] = obj.add_symbol(Symbol(name, bind=c.STB_GLOBAL, shndx=c.SHN_LIVEPATCH))
        reloc = Reloc(entry.offset, entry.type, symbols[name], entry.addend)
        late.setdefault((entry.objname, entry.section), []).append(reloc)
    for (objname, section), relocs in late.items():
        obj.late_relocs.append(LateRelocs(f".klp.rela.{objname}.{section.name}", section, relocs))
    table, end = obj.section(".kpatch.relocs"), obj.symbol("kpatch_relocs_end")
    if table is not None and end is not None:
        table.data, table.size, table.relocs, end.value = b"", 0, [], 0
