// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function that cannot be hooked is called from start-up code only.
 *
 * shows: no-fentry init-code
 * status: refused
 * refusals: init-code:setup
 */
#include "kernel.h"

static noinline notrace int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}

__init int setup(int n)
{
	return helper(n) + 1;
}
