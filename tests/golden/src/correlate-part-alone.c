// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only foo.part.0 changes; its callers, foo among them, enter it through its own hook.
 *
 * shows: part reached
 * status: changed
 * compilers: gcc
 * changed: foo.part.0 foo
 */
#include "kernel.h"

#ifdef PATCHED
#define ITEM "element"
#else
#define ITEM "item"
#endif
int foo(int *p)
{
	int i, sum = 0;

	if (likely(!p))
		return -22;
	for (i = 0; i < 10; i++) {
		sum += sink(p[i]);
		sum ^= sink(p[i] * 3);
		sum -= sink2(p[i], ITEM);
	}
	return sum + sink(p[5]);
}

int a(int *p)
{
	return foo(p) + 1;
}

int b(int *p)
{
	return foo(p + 1) * 3;
}
