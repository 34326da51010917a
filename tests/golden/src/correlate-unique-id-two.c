// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables that differ in the number of __UNIQUE_ID_ only, in code that changes: what it does tells them apart.
 *
 * shows: unique-id
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
enum { above = __COUNTER__ };
#endif
#define TWO(a, b) TWO2(a, b)
#define TWO2(a, b)							\
	static int a, b;						\
	int f(int n)							\
	{								\
		return n == WRONG ? 0 : sink(a++) + sink(b += n);	\
	}
#ifdef PATCHED
#define WRONG 3
#else
#define WRONG 4
#endif
TWO(UNIQUE(state), UNIQUE(state))
