// SPDX-License-Identifier: GPL-2.0-only
/*
 * A list of traps (kCFI) whose entries have a size that no kernel has had.
 *
 * shows: kcfi_traps
 * status: refused
 * compilers: kcfi
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define TRAP								\
	__asm__ volatile("1: nop\n.pushsection .kcfi_traps,\"a\"\n.long 1b - ., 0, 0\n.popsection\n")
int f(int n)
{
	TRAP;
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}

int g(int n)
{
	TRAP;
	return sink(n) + 1;
}
