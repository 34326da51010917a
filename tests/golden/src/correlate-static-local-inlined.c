// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function that holds the variable is inlined no more: its code moves, the variable stays.
 *
 * shows: static-local
 * status: changed
 * changed: a b
 * new: helper
 */
#include "kernel.h"

#ifdef PATCHED
#define maybe noinline
#else
#define maybe inlined
#endif
static maybe int helper(int n)
{
	static int total;

	total += n;
	return sink(total);
}

int a(int n)
{
	return helper(n) + 1;
}

int b(int n)
{
	return helper(n * 3) + 2;
}
