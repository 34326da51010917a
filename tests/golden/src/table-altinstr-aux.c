// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code behind an alternative lies apart (static_cpu_has): it comes along with its function, and leads back into it.
 *
 * shows: altinstr_aux altinstructions
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	if (static_cpu_has(0x71))
		return sink(n);
	return n;
}

int g(int n)
{
	if (static_cpu_has(0x72))
		return sink(n) + 1;
	return n;
}
