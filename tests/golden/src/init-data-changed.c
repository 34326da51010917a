// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data of the start-up code changes.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:table
 */
#include "kernel.h"

static int table[] __initdata = {
#ifdef PATCHED
	2,
#else
	1,
#endif
};

__init int setup(int n)
{
	return sink2(n, table);
}
