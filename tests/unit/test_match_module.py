"""Vendor match against a shipped module instead of a kernel image."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from kpatch.build.match import match_object
from kpatch.errors import BadInput, MismatchError
from kpatch.kernel.module import ModuleImage
from tests.unit import tiny_kernel

FLAGS = ["-DCONSTANT=3", "-DWEAK=1"]


def _module(directory: Path) -> Path:
    path = directory / "module.ko"
    tiny_kernel.compile_object(tiny_kernel.MAIN, path, "-DVENDOR", *FLAGS)
    return path


def test_functions_and_data_are_found_in_the_modules_sections(tmp_path: Path) -> None:
    image = ModuleImage.read(_module(tmp_path))
    flags = [*FLAGS, "-ffunction-sections", "-fdata-sections"]
    original = tiny_kernel.compile_object(tiny_kernel.MAIN, tmp_path / "main.o", *flags)
    match = match_object(original, image, image.symbols)
    for name in ("twin", "own", "tail", "branching"):
        symbol = image.symbols.unique(name)
        assert symbol and match.functions[name].address == symbol.address
    assert image.locate(match.functions["own"].address) != image.locate(match.functions["tail"].address)
    place = image.locate(match.addresses["counter"])
    assert place and place[0] == ".bss"
    assert image.locate(match.addresses["hidden"]) is None, "another module or the kernel has it"


def test_other_source_is_a_mismatch(tmp_path: Path) -> None:
    image = ModuleImage.read(_module(tmp_path))
    source = tiny_kernel.MAIN.replace("hidden_function(&hidden)", "hidden_function(&counter)")
    flags = [*FLAGS, "-ffunction-sections", "-fdata-sections"]
    changed = tiny_kernel.compile_object(source, tmp_path / "main.o", *flags)
    with pytest.raises(MismatchError, match="counter"):
        match_object(changed, image, image.symbols, functions=["put", "own"])


def test_compressed_and_damaged_modules(tmp_path: Path) -> None:
    plain = _module(tmp_path).read_bytes()
    for suffix, data in ((".xz", lzma.compress(plain)), (".gz", gzip.compress(plain))):
        path = tmp_path / f"module.ko{suffix}"
        path.write_bytes(data)
        assert len(ModuleImage.read(path).symbols) == len(ModuleImage.read(tmp_path / "module.ko").symbols)
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(BadInput):
            ModuleImage.read(path)
    with pytest.raises(BadInput, match="cannot read the module"):
        ModuleImage.read(tmp_path / "none.ko")


def test_functions_whose_landing_pad_the_kernel_removes(tmp_path: Path) -> None:
    source = "int kept(void) { return 1; } int sealed(void) { return 2; }"
    source += '__asm__(".section .ibt_endbr_seal, \\"a\\"\\n.long sealed - .\\n.previous");'
    tiny_kernel.compile_object(source, tmp_path / "module.ko")
    image = ModuleImage.read(tmp_path / "module.ko")
    assert image.is_sealed("sealed") and not image.is_sealed("kept") and not image.is_sealed("unknown")
