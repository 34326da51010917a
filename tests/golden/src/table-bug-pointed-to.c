// SPDX-License-Identifier: GPL-2.0-only
/*
 * WARN() since 6.19: the code hands its own entry to a function.  The entries of unchanged functions move,
 * and are no change.
 *
 * shows: bug_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

void trap(void *entry);

int f(int n)
{
#ifdef PATCHED
	if (n == 8)
		trap(OWN_BUG_ENTRY("n is eight"));
#endif
	if (n == 7)
		trap(OWN_BUG_ENTRY("n is seven"));
	return sink(n);
}

int g(int n)
{
	if (n == 9)
		trap(OWN_BUG_ENTRY("n is nine"));
	return sink(n);
}
