// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data loses its __initdata and gets a reader: the running kernel's has been freed.
 *
 * shows: closure
 * status: refused
 * refusals: init-data:table
 */
#include "kernel.h"

#ifdef PATCHED
int table[4] = { 1, 2, 3, 4 };
#else
in_section(".init.data") int table[4] = { 1, 2, 3, 4 };
#endif

int f(int n)
{
#ifdef PATCHED
	return table[n & 3];
#else
	return n;
#endif
}
