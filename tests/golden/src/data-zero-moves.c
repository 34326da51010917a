// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable of .bss gets the value 0 in .data: nothing differs.
 *
 * shows: changed-data
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
int limit in_section(".data.limit") = 0;
#else
int limit;
#endif

int f(int n)
{
	return sink(limit += n);
}
