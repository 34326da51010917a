// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bug table entries of a size that no kernel has had.
 *
 * shows: bug_table
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define ODD_BUG()							\
	__asm__ volatile("1: ud2\n"					\
		".pushsection __bug_table,\"aw\"\n"			\
		".long 1b - ., %c0 - ., 0, 0, 0\n"			\
		".popsection\n" : : "i" (__FILE__))
int f(int n)
{
	if (n == 3)
		ODD_BUG();
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	if (n == 4)
		ODD_BUG();
	return sink(n) + 1;
}
