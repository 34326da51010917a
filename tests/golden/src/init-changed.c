// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start-up code changes: it ran long ago.
 *
 * shows: init-code
 * status: refused
 * refusals: init-code:setup
 */
#include "kernel.h"

int value;

__init int setup(int n)
{
#ifdef PATCHED
	value = 3;
#else
	value = 2;
#endif
	return sink(n);
}

int f(int n)
{
	return sink(value);
}
