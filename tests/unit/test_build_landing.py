"""Functions that a kernel with IBT sealed must not be pointed to for the first time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kpatch.build.landing import check_landing_pads, sealed_functions
from kpatch.errors import Unpatchable
from kpatch.kernel.image import KernelImage
from kpatch.kernel.symbols import SymbolTable, load_symbols

SOURCE = r"""
	.text
	.globl pointed_to, sealed, without_pad, __ibt_endbr_seal, __ibt_endbr_seal_end
	.type pointed_to, @function
pointed_to: endbr64; ret
	.type sealed, @function
sealed: endbr64; ret
	.type without_pad, @function
without_pad: ret; nop; nop; nop
	.section .ibt_endbr_seal, "a"
	.type __ibt_endbr_seal, @object
	.type __ibt_endbr_seal_end, @object
__ibt_endbr_seal:
	.long sealed - .
__ibt_endbr_seal_end:
	.data
	.globl data
	.type data, @object
data: .quad 0
	.section .data.by_flags, "awx"
	.globl data_by_flags
	.type data_by_flags, @object
data_by_flags: .quad 0
"""


def kernel(directory: Path, source: str) -> tuple[KernelImage, SymbolTable]:
    path = directory / "kernel.s"
    path.write_text(source)
    subprocess.run(["gcc", "-c", "-o", directory / "kernel.o", path], check=True)
    link: list[str | Path] = ["ld", "-e", "0", "-Ttext=0xffffffff81000000", "-Tdata=0xffffffff82000000"]
    subprocess.run([*link, "-o", directory / "vmlinux", directory / "kernel.o"], check=True)
    image = KernelImage.read(directory / "vmlinux")
    return image, load_symbols(image)


def test_functions_with_their_landing_pad_may_be_pointed_to(tmp_path: Path) -> None:
    image, symbols = kernel(tmp_path, SOURCE)
    sealed = symbols.unique("sealed")
    assert sealed and sealed_functions(image, symbols) == {sealed.address}
    check_landing_pads(["pointed_to", "data", "data_by_flags", "of_a_module"], None, image, symbols, "fs/a.o")


@pytest.mark.parametrize("name", ["sealed", "without_pad"])
def test_a_pointer_that_would_be_fatal_is_refused(tmp_path: Path, name: str) -> None:
    image, symbols = kernel(tmp_path, SOURCE)
    with pytest.raises(Unpatchable, match=rf"fs/a\.o: .*address of {name},") as caught:
        check_landing_pads([name, "pointed_to"], None, image, symbols, "fs/a.o")
    assert caught.value.hint


def test_kernels_without_ibt_have_no_landing_pads(tmp_path: Path) -> None:
    image, symbols = kernel(tmp_path, SOURCE.replace("__ibt_endbr_seal", "something"))
    assert sealed_functions(image, symbols) is None
    check_landing_pads(["sealed", "without_pad"], None, image, symbols, "fs/a.o")
