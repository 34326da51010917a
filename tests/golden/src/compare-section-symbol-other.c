// SPDX-License-Identifier: GPL-2.0-only
/*
 * A reference is spelled by its section now, and leads a little further: the code around it is the same.
 *
 * shows: section-symbol
 * status: refused
 * refusals: no-fentry:g
 */
#include "kernel.h"

int pair[2] = { 1, 2 };
#ifdef PATCHED
#define PLACE ".data.pair + 4"
#else
#define PLACE "pair"
#endif
__asm__(".pushsection .text.g,\"ax\"\n"
	".globl g\n.type g, @function\n"
	"g: mov $" PLACE ", %rdi\n"
	"jmp sink\n"
	".size g, . - g\n"
	".popsection\n");
