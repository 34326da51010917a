// SPDX-License-Identifier: GPL-2.0-only
/*
 * The initial value of a variable changes: it does not reach a running kernel.
 *
 * shows: changed-data
 * status: refused
 * refusals: changed-data:limit
 */
#include "kernel.h"

#ifdef PATCHED
int limit = 50;
#else
int limit = 40;
#endif

int f(int n)
{
	return n > limit ? 0 : sink(n);
}
