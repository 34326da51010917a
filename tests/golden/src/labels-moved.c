// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of labels: the new code jumps by way of a table of its own.
 *
 * shows: label-table
 * status: changed
 * changed: f
 * data(gcc): table.0
 * data(clang): f.table
 */
#include "kernel.h"

int f(int op, int n)
{
	static const void *const table[] = { &&one, &&two };

	goto *table[op];
one:
	return sink(n) + 1;
two:
#ifdef PATCHED
	n++;
#endif
	return sink(n) * 3;
}
