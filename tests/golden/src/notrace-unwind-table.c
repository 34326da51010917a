// SPDX-License-Identifier: GPL-2.0-only
/*
 * The unwind table for debuggers says where each function begins; that is no pointer to it.
 *
 * shows: no-fentry
 * status: changed
 * changed: f
 * parts: helper
 * flags: -fasynchronous-unwind-tables
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

int f(int n)
{
	return helper(n) + 1;
}
