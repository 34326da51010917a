// SPDX-License-Identifier: GPL-2.0-only
/*
 * The labels have the same places in the new code, but the running kernel's table leads into the old code.
 *
 * shows: label-table
 * status: changed
 * changed: f
 * data(gcc): table.0
 * data(clang): f.table
 */
#include "kernel.h"

#ifdef PATCHED
#define STEP 5
#else
#define STEP 7
#endif

int f(int op, int n)
{
	static const void *const table[] = { &&one, &&two };

	goto *table[op];
one:
	return sink(n + STEP) + 1;
two:
	return sink(n) * 3;
}
