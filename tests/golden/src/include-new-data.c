// SPDX-License-Identifier: GPL-2.0-only
/*
 * New variables, static and global, with and without contents; one that nobody uses stays out.
 *
 * shows: closure
 * status: changed
 * changed: f
 * data: limit hits total
 */
#include "kernel.h"

#ifdef PATCHED
static int limit = 40;
static int hits;
int total = 5;
used static int idle = 9;
#endif

int f(int n)
{
#ifdef PATCHED
	if (n > limit)
		return hits++;
	barrier();
	total += n;
	limit -= hits;
#endif
	return sink(n);
}
