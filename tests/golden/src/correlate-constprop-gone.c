// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function is no longer cloned for a constant: its callers change to a new one.
 *
 * shows: constprop
 * status: changed
 * compilers: gcc
 * changed: a b
 * new: f
 */
#include "kernel.h"

#ifdef PATCHED
#define whole __attribute__((__noclone__, __noipa__))
#else
#define whole
#endif
static noinline whole int f(int mode, int n)
{
	if (mode == 1)
		return sink(n);
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
