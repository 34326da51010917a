// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same code does not change: a new caller enters the original.
 *
 * shows: asm-label
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern int entry(void);

__asm__(".pushsection .text\n"
	".globl entry\n"
	"entry: movl $1, %eax\n"
	"ret\n"
	".popsection\n");

int f(int n)
{
#ifdef PATCHED
	n += entry();
#endif
	return sink(n);
}
