// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable goes away with its user's code.
 *
 * shows: changed-data
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifndef PATCHED
static int hits;
#endif

int f(int n)
{
#ifndef PATCHED
	hits++;
#endif
	return sink(n);
}
