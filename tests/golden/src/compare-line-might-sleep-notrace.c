// SPDX-License-Identifier: GPL-2.0-only
/*
 * The line of a might_sleep() moves, and the number that goes to the next function moves as far: that one is no line.
 *
 * shows: line-might-sleep
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#line 24
#define NUMBER 11
#else
#line 17
#define NUMBER 4
#endif
unhookable int f(int n)
{
	might_sleep();
	return sink2(n, 0) + sink(NUMBER);
}
