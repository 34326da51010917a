// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same reference, spelled by a symbol and by its section: no change.
 *
 * shows: section-symbol
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#define NAME "f"
#else
#define NAME ".text.f"
#endif
int f(int n)
{
	return sink(n);
}

__asm__(".pushsection .text.g,\"ax\"\n"
	".globl g\n.type g, @function\n"
	"g: call __fentry__\n"
	"mov $" NAME ", %rdi\n"
	"jmp " NAME "\n"
	".size g, . - g\n"
	".popsection\n");
