// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function becomes visible to other objects; its code stays.
 *
 * shows: static-global
 * status: unchanged
 * flags: -fno-inline
 */
#include "kernel.h"

#ifdef PATCHED
int helper(int n)
#else
static noinline used int helper(int n)
#endif
{
	return sink(n + 1);
}

int f(int n)
{
	return helper(n);
}
