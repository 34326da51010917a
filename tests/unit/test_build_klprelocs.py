"""References into modules in the form that livepatch reads, as an independent reader sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from kpatch.build.anchor import ModuleSymbol
from kpatch.build.inmodule import Place
from kpatch.build.klprelocs import use_klp_relocs
from kpatch.build.moduletables import add_relocs
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject, Reloc, Section, Symbol

PC32, ABS64 = 2, 1


def _linked(path: Path) -> None:
    obj = ElfObject(c.EM_X86_64)
    text = obj.add_section(Section(".text.f", flags=c.SHF_ALLOC | c.SHF_EXECINSTR, data=bytes(32)))
    data = obj.add_section(Section(".data", flags=c.SHF_ALLOC | c.SHF_WRITE, data=bytes(16)))
    printk = obj.add_symbol(Symbol("_printk", bind=c.STB_GLOBAL))
    text.relocs.append(Reloc(24, PC32, printk, -4))
    nothing = Symbol("")
    places = [
        Place(text, Reloc(4, PC32, nothing, -4), ModuleSymbol("ext4", "state", 2, 8)),
        Place(text, Reloc(12, PC32, nothing, -4), ModuleSymbol("jbd2", "jbd2_start", 0, 0)),
        Place(data, Reloc(8, ABS64, nothing, 0), ModuleSymbol("ext4", "state", 2, 0)),
    ]
    add_relocs(obj, "ext4", places)
    table = obj.section(".kpatch.relocs")
    obj.add_symbol(Symbol("kpatch_relocs_end", table, 3 * 48, bind=c.STB_GLOBAL))
    path.write_bytes(obj.to_bytes())


def test_relocations_and_symbols_of_livepatch(tmp_path: Path) -> None:
    path = tmp_path / "patch.ko"
    _linked(path)
    use_klp_relocs(path)
    with open(path, "rb") as file:
        elf: Any = ELFFile(file)
        symtab = elf.get_section_by_name(".symtab")
        found = {}
        for section in elf.iter_sections("SHT_RELA"):
            if section.name.startswith(".klp.rela."):
                assert section["sh_flags"] == c.SHF_ALLOC | c.SHF_INFO_LINK | 0x100000
                assert elf.get_section(section["sh_link"]).name == ".symtab"
                target = elf.get_section(section["sh_info"]).name
                for reloc in section.iter_relocations():
                    symbol = symtab.get_symbol(reloc["r_info_sym"])
                    assert symbol["st_shndx"] == 0xFF20
                    found[section.name, target, reloc["r_offset"]] = (
                        symbol.name,
                        reloc["r_info_type"],
                        reloc["r_addend"],
                    )
        table = elf.get_section_by_name(".kpatch.relocs")
        assert table["sh_size"] == 0
        (end,) = symtab.get_symbol_by_name("kpatch_relocs_end")
        assert end["st_value"] == 0
        (kept,) = elf.get_section_by_name(".rela.text.f").iter_relocations()
        assert symtab.get_symbol(kept["r_info_sym"]).name == "_printk"
    assert found == {
        (".klp.rela.ext4..text.f", ".text.f", 4): (".klp.sym.ext4.state,2", PC32, 4),
        (".klp.rela.ext4..text.f", ".text.f", 12): (".klp.sym.jbd2.jbd2_start,0", PC32, -4),
        (".klp.rela.ext4..data", ".data", 8): (".klp.sym.ext4.state,2", ABS64, 0),
    }


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "patch.ko"
    _linked(path)
    use_klp_relocs(path)
    obj = ElfObject.read(path)
    assert [late.name for late in obj.late_relocs] == [".klp.rela.ext4..text.f", ".klp.rela.ext4..data"]
    text = obj.section(".text.f")
    assert text and [reloc.offset for reloc in text.relocs] == [24]
    assert obj.to_bytes() == path.read_bytes()


def test_a_module_without_references_into_modules_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "patch.ko"
    path.write_bytes(ElfObject(c.EM_X86_64).to_bytes())
    with open(path, "ab") as file:
        file.write(b"appended")
    before = path.read_bytes()
    use_klp_relocs(path)
    assert path.read_bytes() == before
