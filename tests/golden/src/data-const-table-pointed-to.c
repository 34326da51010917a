// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of constants changes that data points to: nobody knows who reads it.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:table
 */
#include "kernel.h"

static const int table[] = {
	3, 5, 7,
#ifdef PATCHED
	12,
#else
	11,
#endif
};

const int *current_table = table;

int f(int n)
{
	return sink(current_table[n]);
}
