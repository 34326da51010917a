// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of labels that has been written to since: its contents cannot be made anew.
 *
 * shows: label-table changed-data
 * status: refused
 * refusals(gcc): changed-data:table.0
 * refusals(clang): changed-data:f.table
 */
#include "kernel.h"

#ifdef PATCHED
#define STEP 5
#else
#define STEP 7
#endif

int f(int op, int n)
{
	static const void *table[] = { &&one, &&two };

	if (op < 0)
		table[0] = &&two;
	goto *table[op];
one:
	return sink(n + STEP) + 1;
two:
	return sink(n) * 3;
}
