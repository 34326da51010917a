// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function that cannot be hooked is also reached by a pointer.
 *
 * shows: no-fentry reached
 * status: refused
 * refusals: no-fentry:helper
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
	return helper(n) + take(helper);
}
