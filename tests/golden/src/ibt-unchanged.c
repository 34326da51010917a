// SPDX-License-Identifier: GPL-2.0-only
/*
 * With landing pads: a change that takes no address.
 *
 * shows: sealed
 * status: changed
 * flags: -fcf-protection=branch
 * changed: f
 */
#include "kernel.h"

static noinline int helper(int n)
{
	return sink(n) * 2;
}

int f(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return helper(n) + 1;
}
