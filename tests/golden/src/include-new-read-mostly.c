// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new variable in .data..read_mostly.
 *
 * shows: read-mostly
 * status: changed
 * changed: f
 * data: limit
 */
#include "kernel.h"

#ifdef PATCHED
static int limit in_section(".data..read_mostly") = 40;
#endif

int f(int n)
{
#ifdef PATCHED
	if (n > limit++)
		return 0;
#endif
	return sink(n);
}
