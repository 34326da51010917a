// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function could not be hooked, the new one can: the old one must still be avoided.
 *
 * shows: no-fentry reached
 * status: changed
 * changed: f
 * parts: helper
 */
#include "kernel.h"

#ifdef PATCHED
#define maybe
#else
#define maybe notrace
#endif
static noinline maybe int helper(int n)
{
	return sink(n);
}

int f(int n)
{
	return helper(n) + 1;
}
