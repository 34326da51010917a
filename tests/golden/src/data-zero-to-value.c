// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable of .bss gets a value.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:limit
 */
#include "kernel.h"

#ifdef PATCHED
int limit = 9;
#else
int limit;
#endif

int f(int n)
{
	return sink(limit += n);
}
