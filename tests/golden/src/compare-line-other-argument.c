// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number that goes to __might_resched() besides the line changes.
 *
 * shows: line-might-sleep
 * status: changed
 * changed: f
 */
#include "kernel.h"

void __might_resched(const char *file, int line, unsigned int offsets);
#ifdef PATCHED
#define OFFSETS 9
#else
#define OFFSETS 7
#endif
int f(int n)
{
	__might_resched(__FILE__, __LINE__, OFFSETS);
	return sink(n);
}
