// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unwind tables by objtool: the entries of the included code only.
 *
 * shows: orc_unwind
 * status: changed
 * compilers: gcc
 * objtool: --orc --static-call
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return sink(n) + sink(n + 1);
#endif
	return sink(n) + 1;
}

int g(int n)
{
	return sink(n) * sink(n + 5);
}
