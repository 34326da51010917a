// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move by 5, and a number in a message with __FILE__ changes by another distance.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#define CODE 77
#else
#define CODE 70
#endif
int f(int n)
{
	printk("%s:%d: error %d\n", __FILE__, __LINE__, CODE);
	return sink(n);
}
