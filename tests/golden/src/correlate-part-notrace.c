// SPDX-License-Identifier: GPL-2.0-only
/*
 * foo.part.0 changes; neither it nor foo can be hooked, and other objects call foo.
 *
 * shows: part reached
 * status: refused
 * compilers: gcc
 * refusals: no-fentry:foo
 */
#include "kernel.h"

#ifdef PATCHED
#define ITEM "element"
#else
#define ITEM "item"
#endif
unhookable int foo(int *p)
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
