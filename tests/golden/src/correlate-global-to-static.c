// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function and a variable become local to the object; the function changes too.
 *
 * shows: static-global
 * status: changed
 * changed: helper
 */
#include "kernel.h"

#ifdef PATCHED
#define visible static
#else
#define visible
#endif
visible int calls;

visible noinline used int helper(int n)
{
#ifdef PATCHED
	if (!n)
		return 0;
#endif
	return sink(calls += n);
}

int f(int n)
{
	return helper(n);
}
