// SPDX-License-Identifier: GPL-2.0-only
/*
 * With types in front of functions (kCFI): a pointer to a function of the running kernel leads to the original.
 *
 * shows: cfi pointer
 * status: changed
 * compilers: kcfi
 * changed: f helper
 */
#include "kernel.h"

static noinline int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n) * 2;
}

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return take(helper) + 1;
#endif
	return take(helper);
}
