// SPDX-License-Identifier: GPL-2.0-only
/*
 * The caller cannot be hooked either: its own callers are redirected.
 *
 * shows: no-fentry reached
 * status: changed
 * changed: f
 * parts: helper middle
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

static noinline notrace int middle(int n)
{
	return helper(n) + sink(n);
}

int f(int n)
{
	return middle(n) + 1;
}
