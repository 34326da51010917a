// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start-up code stays, beside a change.
 *
 * shows: init-code
 * status: changed
 * changed: f
 */
#include "kernel.h"

static int value;

__init int setup(int n)
{
	value = 2;
	return sink(n);
}

int f(int n)
{
#ifdef PATCHED
	if (!n)
		return 0;
#endif
	return sink(value);
}
initcall(setup, 6);
