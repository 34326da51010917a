// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move, and a WARN() gets other flags: that is a change.
 *
 * shows: line-warn
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#define FLAGS 2305
#else
#define FLAGS 2307
#endif
int f(int n)
{
	if (unlikely(n > 3))
		BUG_ENTRY(FLAGS);
	return sink(n);
}
