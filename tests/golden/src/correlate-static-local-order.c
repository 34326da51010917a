// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions, each with a variable of one name, swap places; nothing changes.
 *
 * shows: static-local
 * status: unchanged
 */
#include "kernel.h"

#define FIRST								\
int first(int n)							\
{									\
	static int state;						\
									\
	return sink(state += n);					\
}
#define SECOND								\
int second(int n)							\
{									\
	static int state;						\
									\
	return sink(state ^= n);					\
}
#ifdef PATCHED
SECOND
FIRST
#else
FIRST
SECOND
#endif
