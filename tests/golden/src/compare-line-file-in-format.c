// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: the format itself begins with __FILE__.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#line 120
#endif
int f(const char *name)
{
	printk(__FILE__ ":%d: odd value\n", __LINE__);
	return sink(2);
}
