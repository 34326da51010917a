// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table holds the function that cannot be hooked.
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
int (*hook)(int) = helper;

int f(int n)
{
	return helper(n) + hook(1);
}
