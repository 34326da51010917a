// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address of a static function is taken that no code took before: the old one has no type in front.
 *
 * shows: cfi pointer
 * status: refused
 * compilers: kcfi
 * refusals: changed-prototype:helper
 */
#include "kernel.h"

static noinline int helper(int n)
{
	return sink(n) * 2;
}

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return take(helper);
#endif
	return helper(n) + 1;
}
