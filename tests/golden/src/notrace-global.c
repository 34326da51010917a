// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function that cannot be hooked can be called from other objects.
 *
 * shows: no-fentry mcount_loc
 * status: refused
 * refusals: no-fentry:helper
 */
#include "kernel.h"

noinline notrace int helper(int n)
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
