// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: a message with __func__ and __LINE__.
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
	printk("%s line %d: odd value\n", __func__, __LINE__);
	return sink(n);
}
