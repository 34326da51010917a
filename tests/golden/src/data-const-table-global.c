// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of constants changes that other objects may read.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:table
 */
#include "kernel.h"

const int table[] = {
	3, 5, 7,
#ifdef PATCHED
	12,
#else
	11,
#endif
};

int f(int n)
{
	return sink(table[n]);
}
