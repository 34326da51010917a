// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code behind a fault lies in .fixup (before 5.16): its fragment comes along.
 *
 * shows: fixup ex_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, -14);
#ifdef PATCHED
	if (failed)
		return -1;
#endif
	return value + failed;
}

int g(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, -22);
	return value + failed;
}
