// SPDX-License-Identifier: GPL-2.0-only
/*
 * New code calls a function that is there, but was freed after start.
 *
 * shows: init-code closure
 * status: refused
 * refusals: init-code:setup
 */
#include "kernel.h"

__init noinline int setup(int n)
{
	return sink(n) * 3 + sink(n + 1);
}

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return setup(n);
#endif
	return n;
}
