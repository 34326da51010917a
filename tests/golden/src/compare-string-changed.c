// SPDX-License-Identifier: GPL-2.0-only
/*
 * A string that the function prints changes.
 *
 * shows: strings
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define TEXT "value %d is far too large\n"
#else
#define TEXT "value %d is too large\n"
#endif
int f(int n)
{
	return _printk(TEXT, n);
}

int g(int n)
{
	return _printk("value %d is too large\n", n + 1);
}
