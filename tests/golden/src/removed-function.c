// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function goes that calls one with other arguments now: while it is on a stack the patch must wait.
 *
 * shows: reached
 * status: changed
 * changed: leaf run
 * parts: middle
 * new: other
 */
#include "kernel.h"

#ifdef PATCHED
static noinline int leaf(int n, int more)
{
	return sink(n) + more + sink(more);
}

static noinline int other(int n)
{
	return sink(n) + leaf(n, 2);
}

int run(int n)
{
	return other(n) + leaf(n, n + 1);
}
#else
static noinline int leaf(int n)
{
	return sink(n);
}

static noinline int middle(int n)
{
	return sink(n) + leaf(n);
}

int run(int n)
{
	return middle(n) + leaf(n);
}
#endif
