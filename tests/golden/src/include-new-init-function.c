// SPDX-License-Identifier: GPL-2.0-only
/*
 * New code calls a function that is freed after start.
 *
 * shows: closure init-code
 * status: refused
 * refusals: init-code:setup
 */
#include "kernel.h"

#ifdef PATCHED
static __init noinline int setup(int n)
{
	return sink(n) * 3;
}
#endif

int f(int n)
{
#ifdef PATCHED
	n = setup(n);
#endif
	return sink(n);
}
