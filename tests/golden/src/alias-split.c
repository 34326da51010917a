// SPDX-License-Identifier: GPL-2.0-only
/*
 * One of the two names of a function gets a body of its own: who calls it by that name would get the other one.
 *
 * shows: alias
 * status: refused
 * refusals: changed-alias:g
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n == 5)
		return 2;
#endif
	return sink(n) + 7;
}

#ifdef PATCHED
int g(int n)
{
	return sink(n) + 7;
}
#else
int g(int n) __attribute__((alias("f")));
#endif
