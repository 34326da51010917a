// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable in .data..read_mostly gets another initial value.
 *
 * shows: read-mostly changed-data
 * status: refused
 * refusals: changed-data:limit
 */
#include "kernel.h"

static int limit in_section(".data..read_mostly") =
#ifdef PATCHED
	5;
#else
	4;
#endif

int f(int n)
{
	return n > limit++ ? 0 : sink(n);
}
