// SPDX-License-Identifier: GPL-2.0-only
/*
 * gcc takes a parameter apart; only the number of the clone may change.
 *
 * shows: isra
 * status: changed
 * compilers: gcc
 * changed: f.isra.0
 */
#include "kernel.h"

struct pair {
	int a, b;
};

static noinline int f(const struct pair *p)
{
	int n = p->a;

#ifdef PATCHED
	if (n == 4)
		return -22;
#endif
	return sink(n) + sink(n + 1);
}

int a(const struct pair *p)
{
	return f(p) + 1;
}

int b(const struct pair *p)
{
	return f(p + 1) * 3;
}
