"""A kernel of a few functions, compiled and linked for real: a vendor's image and a rebuilt object.

The vendor compiles ``main.c`` into one .text and links it with ``other.c``; the builder compiles it
with function sections.  ``-DVENDOR`` selects what objtool would have done at the final link.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from kpatch.elf.object import ElfObject
from kpatch.kernel.image import KernelImage
from kpatch.kernel.ksymtab import Export, Exports
from kpatch.kernel.symbols import SymbolTable, load_symbols

FLAGS = ["-O2", "-c", "-g0", "-mcmodel=kernel", "-fno-pic", "-fno-pie", "-mno-red-zone", "-fcf-protection=none"]
FLAGS += ["-ffreestanding", "-fno-asynchronous-unwind-tables", "-fno-jump-tables", "-fno-stack-protector"]

MAIN = r"""
#define noinline __attribute__((noinline, noclone, noipa))
extern int exported(const char *text, int value);
extern int hidden;
extern int hidden_function(int *at);
static int counter;
static int table[4] = {1, 2, 3, 4};
static noinline int twin(int value) { return exported("twin", value) + 1; }
static noinline int own(int value) { counter += value; return table[value & 3] + counter; }
noinline int put(int value) { hidden += 2; return hidden_function(&hidden); }
int tail(int value) { if (value) return put(value); return 0; }
int user(int value) { return twin(value) + own(value) + exported("hello", CONSTANT); }
#ifdef VENDOR
#define SITE "1: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
#else
#define SITE "1: .byte 0xe9; .long %l[on] - . - 4\n"
#endif
int branching(int value)
{
	asm goto(SITE ".pushsection __jump_table, \"aw\"\n.long 1b - ., %l[on] - .\n.quad hidden - .\n.popsection"
		: : : : on);
	return own(value) + 5;
on:
	return own(value) - 5;
}
#ifndef VENDOR
__attribute__((weak))
#endif
int overridden(int value) { return value + WEAK; }
int loop(int *values, int count)
{
	int sum = 0;
	for (int at = 0; at < count; at++)
		sum += exported("loop", values[at]);
	return sum;
}
"""

OTHER = r"""
#define noinline __attribute__((noinline, noclone, noipa))
int hidden = 7;
int exported(const char *text, int value) { return text[0] + value; }
int hidden_function(int *at) { return *at; }
static noinline int twin(int value) { return exported("twin", value) + 1; }
static int counter;
int other_user(int value) { counter += value; return twin(value) + counter; }
"""


class Tiny(NamedTuple):
    """The shipped image with its symbols and exports, and the rebuilt object."""

    image: KernelImage
    symbols: SymbolTable
    exports: Exports
    original: ElfObject


def compile_object(source: str, target: Path, *flags: str) -> ElfObject:
    """Compile C ``source`` into ``target``; skips the test where there is no compiler."""
    if not (shutil.which("gcc") and shutil.which("ld")):
        pytest.skip("needs gcc and ld")
    text = target.with_suffix(".c")
    text.write_text(source)
    subprocess.run(["gcc", *FLAGS, *flags, "-o", target, text], check=True)
    return ElfObject.read(target)


def build(directory: Path, *, source: str = MAIN, vendor: str = "-DCONSTANT=3", own: str = "-DCONSTANT=3") -> Tiny:
    """Build both sides; ``vendor`` and ``own`` are one further flag for each compilation of ``source``."""
    objects = [directory / "other.o", directory / "main-vendor.o"]
    compile_object(OTHER, objects[0])
    compile_object(source, objects[1], "-DVENDOR", "-DWEAK=1", vendor, "-falign-functions=32")
    image = directory / "vmlinux"
    addresses = ["-Ttext=0xffffffff81000000", "-Trodata-segment=0xffffffff81800000", "-Tdata=0xffffffff82000000"]
    link: list[str | Path] = ["ld", "-e", "exported", "-z", "noexecstack", *addresses, "-o", image, *objects]
    subprocess.run(link, check=True)
    original = compile_object(source, directory / "main.o", "-DWEAK=2", own, "-ffunction-sections", "-fdata-sections")
    kernel = KernelImage.read(image)
    exports = Exports([Export("exported", 0, "vmlinux", True, "")])
    return Tiny(kernel, load_symbols(kernel), exports, original)
