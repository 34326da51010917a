// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: a message with __FILE__ and __LINE__ tells another number.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#endif
int f(int n)
{
	printk("%s:%d: odd value\n", __FILE__, __LINE__);
	return sink(n);
}
