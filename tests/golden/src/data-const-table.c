// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of constants changes: it is copied with all code that reads it.
 *
 * shows: changed-data
 * status: changed
 * changed: f g
 * data: table
 */
#include "kernel.h"

static const int table[] = {
	3, 5, 7,
#ifdef PATCHED
	12,
#else
	11,
#endif
	13, 17,
};

int f(int n)
{
	return sink(table[n]);
}

int g(int n)
{
	return sink(table[n + 1]) * 2;
}

int h(int n)
{
	return sink(n);
}
