// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables that differ in the number of __UNIQUE_ID_ only, and the patch exchanges what the code does with them.
 *
 * shows: unique-id
 * status: refused
 * refusals: ambiguous-static-local:__UNIQUE_ID_state0 ambiguous-static-local:__UNIQUE_ID_state1
 */
#include "kernel.h"

#define TWO(a, b) TWO2(a, b)
#define TWO2(a, b)							\
	static int a, b;						\
	int f(int n)							\
	{								\
		return FIRST(a) + OTHER(b);				\
	}
#ifdef PATCHED
#define FIRST(variable)	sink(variable ^= n)
#define OTHER(variable)	sink(variable += n)
#else
#define FIRST(variable)	sink(variable += n)
#define OTHER(variable)	sink(variable ^= n)
#endif
TWO(UNIQUE(state), UNIQUE(state))
