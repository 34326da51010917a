// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two places share one call that is told no line, and a number changes.
 *
 * shows: line-might-sleep
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define LEVEL 77
#else
#define LEVEL 70
#endif
int f(int n)
{
	if (sink(n)) {
		sink(2 * n);
		sink2(LEVEL, "a");
	} else {
		sink2(n, 0);
		sink2(90, "a");
	}
	return sink(n + 1);
}
