// SPDX-License-Identifier: GPL-2.0-only
/*
 * Padding in front is no place to hook: the function without a profiling call is avoided by its caller.
 *
 * shows: prefix patchable_function_entries
 * status: changed
 * flags: -fpatchable-function-entry=16,16
 * changed: f
 * parts: helper
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
__asm__(".type __pfx_helper, @function\n.set __pfx_helper, helper - 16\n.size __pfx_helper, 16\n");
