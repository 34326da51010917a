// SPDX-License-Identifier: GPL-2.0-only
/*
 * The section says a size (sh_entsize) at which its entries do not begin with code.
 *
 * shows: entry-size
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define MISSIZED_BUG()							\
	__asm__ volatile("1: ud2\n"					\
		".pushsection __bug_table,\"awM\",@progbits,4\n"	\
		".long 1b - ., %c0 - ., 0, 0, 0\n"			\
		".popsection\n" : : "i" (__FILE__))
int f(int n)
{
	if (n == 3)
		MISSIZED_BUG();
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	if (n == 4)
		MISSIZED_BUG();
	return sink(n) + 1;
}
