// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number behind the function's name that need not be the line, where no other line moved: it changes.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 * data(gcc): __func__.0
 */
#include "kernel.h"

#ifdef PATCHED
#define MOST 128
#else
#define MOST 64
#endif
int f(int n)
{
	printk("%s: %d\n", __func__, MOST);
	return sink(n);
}
