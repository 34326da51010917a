// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new function that nothing of this object calls: another object may, so it is no error and no patch.
 *
 * shows: closure
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
int added(int n)
{
	return sink(n) * 3;
}
#endif

int f(int n)
{
	return sink(n);
}
