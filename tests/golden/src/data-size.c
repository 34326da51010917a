// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable grows: running code and other objects know the old one.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:table
 */
#include "kernel.h"

#ifdef PATCHED
int table[6];
#else
int table[4];
#endif

int f(int n)
{
	return sink(table[n]);
}
