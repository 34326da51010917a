// SPDX-License-Identifier: GPL-2.0-only
/*
 * An initcall beside a change.
 *
 * shows: initcall
 * status: changed
 * changed: f
 */
#include "kernel.h"

static __init int setup(void)
{
	return sink(1);
}
initcall(setup, 6);

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
