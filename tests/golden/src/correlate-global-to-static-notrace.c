// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function becomes local to the object and changes: other objects may call the old one, which cannot be hooked.
 *
 * shows: static-global
 * status: refused
 * refusals: no-fentry:helper
 */
#include "kernel.h"

#ifdef PATCHED
static
#endif
noinline unhookable int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n) * 2;
}

int f(int n)
{
	return helper(n) + 1;
}
