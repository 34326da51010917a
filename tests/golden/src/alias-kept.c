// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function with two names changes: it is one place.
 *
 * shows: alias
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n == 5)
		return 2;
#endif
	return sink(n) + 7;
}

int g(int n) __attribute__((alias("f")));
