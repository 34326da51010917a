// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a table is where another variable begins, in the running kernel as well: either means the same place.
 * New variables behind them are meant where nothing else can be.
 *
 * shows: neighbours
 * status: changed
 * changed: f
 * data: limit more
 */
#include "kernel.h"

#ifdef __clang__
#define ordered used
#else
#define ordered used __attribute__((__no_reorder__))
#endif
#define __read_mostly in_section(".data..read_mostly") ordered

void walk(ulong *from, ulong *to);

static ulong table[16] __read_mostly = { 1, 2, 3 };
static ulong behind[2] __read_mostly = { 5 };
#ifdef PATCHED
static ulong more[2] __read_mostly;
static ulong limit __read_mostly = 77;
#endif

void f(int n)
{
#ifdef PATCHED
	if (n > READ_ONCE(limit))
		sink2(n, more);
#endif
	walk(table, table + 16);
	sink2(n, behind);
}
