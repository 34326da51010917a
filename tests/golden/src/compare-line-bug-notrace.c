// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move in code that cannot be hooked, and what else a WARN() says of itself changes.
 *
 * shows: line-warn
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#define FLAGS 2305
#else
#define FLAGS 2307
#endif
unhookable int f(int n)
{
	if (unlikely(n > 3))
		BUG_ENTRY(FLAGS);
	return sink(n);
}
