// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lock prefixes: places in the included code only.
 *
 * shows: smp_locks
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern int counter;

int f(int n)
{
	__asm__ volatile(LOCK "incl %0" : "+m" (counter));
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	__asm__ volatile(LOCK "decl %0" : "+m" (counter));
	return sink(n);
}
