// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that calls itself and another that calls it back.
 *
 * shows: closure
 * status: changed
 * changed: even odd
 */
#include "kernel.h"

int odd(int n);
noinline int even(int n)
{
#ifdef PATCHED
	if (n < 0)
		n = -n;
#endif
	return n ? sink(odd(n - 1)) : 1;
}

noinline int odd(int n)
{
#ifdef PATCHED
	if (n < 0)
		n = -n;
#endif
	return n ? sink(even(n - 1)) : 0;
}
