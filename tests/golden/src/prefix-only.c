// SPDX-License-Identifier: GPL-2.0-only
/*
 * The padding in front gets its symbol: no change.
 *
 * shows: prefix
 * status: unchanged
 * flags: -fpatchable-function-entry=16,16
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
__asm__(".type __pfx_f, @function\n.set __pfx_f, f - 16\n.size __pfx_f, 16\n");
#endif
