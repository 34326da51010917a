// SPDX-License-Identifier: GPL-2.0-only
/*
 * The type of a function changes that is only called by its name: no call checks it.
 *
 * shows: cfi
 * status: changed
 * compilers: kcfi
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define TYPE long
#else
#define TYPE int
#endif
static noinline int helper(TYPE n)
{
	return sink(n) * 2;
}

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return helper(n) + 1;
}
