// SPDX-License-Identifier: GPL-2.0-only
/*
 * A clone for a constant changes that cannot be hooked, and neither can its caller, which other objects call.
 *
 * shows: constprop no-fentry
 * status: refused
 * compilers: gcc
 * refusals: no-fentry:a
 */
#include "kernel.h"

static noinline notrace int f(int mode, int n)
{
	if (mode == 1)
		return sink(n);
#ifdef PATCHED
	if (n == 4)
		return -22;
#endif
	return sink(sink(n) + mode);
}

unhookable int a(int n)
{
	return f(2, n) + 1;
}

int b(int n)
{
	return f(2, n + 5) * 3;
}
