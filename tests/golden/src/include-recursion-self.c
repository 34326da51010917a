// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that calls itself: the new body calls the new body.
 *
 * shows: closure
 * status: changed
 * changed: f
 */
#include "kernel.h"

noinline int f(int n)
{
#ifdef PATCHED
	if (n > 100)
		return -1;
#endif
	return n ? sink(f(n - 1)) + f(n - 2) : 1;
}
