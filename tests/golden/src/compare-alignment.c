// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function and a variable get another alignment: nothing that runs differs.
 *
 * shows: alignment
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#define align __attribute__((__aligned__(64)))
#else
#define align
#endif
int table[4] align = { 1, 2, 3, 4 };

align int f(int n)
{
	return sink(table[n]);
}

int g(int n)
{
	return sink(n + 1);
}
