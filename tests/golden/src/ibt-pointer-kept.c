// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address was taken before: its landing pad is there.
 *
 * shows: sealed pointer
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
		return take(helper) * 2;
#endif
	return take(helper);
}
