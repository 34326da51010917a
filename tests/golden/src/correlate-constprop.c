// SPDX-License-Identifier: GPL-2.0-only
/*
 * gcc clones a function for a constant; the clone changes with its source.
 *
 * shows: constprop
 * status: changed
 * compilers: gcc
 * changed: f.constprop.0
 */
#include "kernel.h"

static noinline int f(int mode, int n)
{
	if (mode == 1)
		return sink(n);
#ifdef PATCHED
	if (n == 4)
		return -22;
#endif
	return sink(sink(n) + mode);
}

int a(int n)
{
	return f(2, n) + 1;
}

int b(int n)
{
	return f(2, n + 5) * 3;
}
