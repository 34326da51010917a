// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that cannot be hooked changes; it is only called, so its callers are redirected.
 *
 * shows: no-fentry mcount_loc
 * status: changed
 * changed: f g
 * parts: helper
 */
#include "kernel.h"

static noinline notrace int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}

int f(int n)
{
	return helper(n) + 1;
}

int g(int n)
{
	return helper(n + 1) * 2;
}
