// SPDX-License-Identifier: GPL-2.0-only
/*
 * Padding in front is no place to hook, and other objects call the function.
 *
 * shows: prefix patchable_function_entries
 * status: refused
 * flags: -fpatchable-function-entry=16,16
 * refusals: no-fentry:helper
 */
#include "kernel.h"

notrace int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}
__asm__(".type __pfx_helper, @function\n.set __pfx_helper, helper - 16\n.size __pfx_helper, 16\n");
