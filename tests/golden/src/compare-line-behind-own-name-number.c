// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number behind __func__ changes by as much as the lines move, but no line that is known lies before it.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 * data(gcc): __func__.0
 */
#include "kernel.h"

int check(void *inode, const char *function, int code);

#ifdef PATCHED
#define CODE 9
#line 251
#else
#define CODE 5
#line 250
#endif
int f(int n)
{
	return check(0, __func__, CODE);
}

int g(int n)
{
	WARN_ON(n);
	return sink(n);
}
