// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static local grows: its old contents have no room.
 *
 * shows: static-local changed-data
 * status: refused
 * refusals(gcc): changed-data:table.0
 * refusals(clang): changed-data:f.table
 */
#include "kernel.h"

#ifdef PATCHED
#define SIZE 8
#else
#define SIZE 4
#endif
int f(int n)
{
	static int table[SIZE];

	return sink(table[n & (SIZE - 1)] += n);
}
