// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new table of function pointers: those of the running kernel lead to the originals.
 *
 * shows: closure pointer
 * status: changed
 * changed: f g
 * new: fresh
 * data: table
 */
#include "kernel.h"

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

#ifdef PATCHED
static int fresh(int n)
{
	return sink(n) - 1;
}

static int (*table[])(int) = { g, fresh, sink };
#endif

int f(int n)
{
#ifdef PATCHED
	return table[n & 1](n);
#endif
	return sink(n);
}
