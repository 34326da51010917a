// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions become one with two names.
 *
 * shows: alias
 * status: refused
 * refusals: changed-alias:g
 */
#include "kernel.h"

int f(int n)
{
	return sink(n) + 7;
}

#ifdef PATCHED
int g(int n) __attribute__((alias("f")));
#else
int g(int n)
{
	return sink(n) + 9;
}
#endif
