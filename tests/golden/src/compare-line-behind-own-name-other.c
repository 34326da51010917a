// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number behind __func__ changes by more than the lines move.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 * data(gcc): __func__.0
 */
#include "kernel.h"

int check(void *inode, const char *function, int code);

#ifdef PATCHED
#define CODE 451
#line 350
#else
#define CODE 350
#line 250
#endif
int g(int n)
{
	WARN_ON(n);
	return sink(n);
}

int f(int n)
{
	return check(0, __func__, CODE);
}
