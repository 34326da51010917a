// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move in code that cannot be hooked: WARN() tells another number, which is no change.
 *
 * shows: line-warn
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#endif
unhookable int f(int n)
{
	WARN_ON(n > 3);
	return sink(n);
}
