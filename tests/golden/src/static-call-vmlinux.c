// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static call of the kernel: its site is kept.
 *
 * shows: static_call_sites
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
	STATIC_CALL(open);
	return sink(n);
}
