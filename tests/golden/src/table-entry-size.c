// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of a size that no kernel has had, but the section says it (sh_entsize).
 *
 * shows: entry-size bug_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

#define OWN_SIZE_BUG()							\
	__asm__ volatile("1: ud2\n"					\
		".pushsection __bug_table,\"awM\",@progbits,20\n"	\
		".long 1b - ., %c0 - ., 0, 0, 0\n"			\
		".popsection\n" : : "i" (__FILE__))
int f(int n)
{
	if (n == 3)
		OWN_SIZE_BUG();
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	if (n == 4)
		OWN_SIZE_BUG();
	return sink(n) + 1;
}
