// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move by two, and a code in a message without __FILE__ changes by two as well.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define CODE 14
#else
#define CODE 12
#endif
int f(int n)
{
#ifdef PATCHED
#line 21
#else
#line 19
#endif
	WARN_ON(n > 3);
	printk("error %d\n", CODE);
	return sink(n);
}
