// SPDX-License-Identifier: GPL-2.0-only
/*
 * WARN() in included code: its entry and the file name come along.
 *
 * shows: bug_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
	WARN_ON(n == 7);
#ifdef PATCHED
	WARN_ON(n == 8);
#endif
	return sink(n);
}

int g(int n)
{
	WARN_ON(n == 9);
	return sink(n);
}
