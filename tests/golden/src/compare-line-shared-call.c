// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: clang lets two places share one call, and jumps to it from where the line is loaded.
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
	if (sink(n)) {
		sink(2 * n);
		__might_sleep(__FILE__, __LINE__);
	} else {
		sink2(n, 0);
		__might_sleep(__FILE__, __LINE__);
	}
	return sink(n + 1);
}
