// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: might_sleep() takes another number.
 *
 * shows: line-might-sleep
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#endif
int f(int n)
{
	might_sleep();
	return sink(n);
}
