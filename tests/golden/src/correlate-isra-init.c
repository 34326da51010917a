// SPDX-License-Identifier: GPL-2.0-only
/*
 * A clone that gcc took a parameter apart for, of a start-up function: it ran long ago.
 *
 * shows: isra init-code
 * status: refused
 * compilers: gcc
 * refusals: init-code:f.isra.0
 */
#include "kernel.h"

struct pair {
	int a, b;
};

static noinline __init int f(const struct pair *p)
{
	int n = p->a;

#ifdef PATCHED
	if (n == 4)
		return -22;
#endif
	return sink(n) + sink(n + 1);
}

__init int a(const struct pair *p)
{
	return f(p) + 1;
}

__init int b(const struct pair *p)
{
	return f(p + 1) * 3;
}
