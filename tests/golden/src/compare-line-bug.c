// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: WARN() and BUG() tell another number, the code is the same.
 *
 * shows: line-warn
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#endif
int f(int n)
{
	WARN_ON(n > 3);
	WARN(n > 5, "n is %d\n", n);
	return sink(n);
}
