// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a table is where a new variable begins, and the object file does not tell which one code means.
 *
 * shows: neighbours
 * status: refused
 * refusals: ambiguous-reference:limit
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
#ifdef PATCHED
static ulong limit __read_mostly = 77;
#endif

void f(int n)
{
#ifdef PATCHED
	if (n > READ_ONCE(limit))
		return;
#endif
	walk(table, table + 16);
}
