// SPDX-License-Identifier: GPL-2.0-only
/*
 * New functions come with what they call; a new one that nobody calls stays out.
 *
 * shows: closure
 * status: changed
 * changed: f
 * new: helper deeper
 */
#include "kernel.h"

#ifdef PATCHED
static noinline int deeper(int n)
{
	return sink(n) * 3;
}

static noinline int helper(int n)
{
	return deeper(n) + deeper(n + 1);
}

used static int idle(int n)
{
	return sink2(n, "nobody calls this");
}
#endif

int f(int n)
{
#ifdef PATCHED
	n = helper(n);
#endif
	return sink(n);
}
