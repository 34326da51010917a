// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static key that only the patched code has.
 *
 * shows: module-jump-label
 * status: changed
 * object: driver
 * changed: f
 * data: fresh
 */
#include "kernel.h"

#ifdef PATCHED
static struct static_key fresh;
#endif

int f(int n)
{
#ifdef PATCHED
	if (static_branch(&fresh))
		return sink(n);
#endif
	return n;
}
