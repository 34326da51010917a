// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exception table entries of a size that no kernel has had.
 *
 * shows: ex_table
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define ODD_LOAD(address, value)					\
	__asm__ volatile("1: mov (%1), %0\n2:\n"			\
		".pushsection __ex_table,\"a\"\n"			\
		".long 1b - ., 2b - ., 0, 0, 0\n"			\
		".popsection\n" : "=r" (value) : "r" (address))
int f(const int *p)
{
	int value;

	ODD_LOAD(p, value);
#ifdef PATCHED
	value++;
#endif
	return value;
}

int g(const int *p)
{
	int value;

	ODD_LOAD(p, value);
	return value;
}
