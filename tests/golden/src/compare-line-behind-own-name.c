// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: a function that nobody knows is told __func__ and, right behind it, __LINE__; a WARN_ON() moves as far.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

int check(void *inode, const char *function, int line);

#ifdef PATCHED
#line 350
#else
#line 250
#endif
int g(int n)
{
	WARN_ON(n);
	return sink(n);
}

int f(int n)
{
	return check(0, __func__, __LINE__);
}
