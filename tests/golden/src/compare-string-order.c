// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new string before the others moves them: same contents, no change.
 *
 * shows: strings
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	_printk("a first message\n");
#endif
	return _printk("second %d\n", n);
}

int g(int n)
{
	return _printk("third %d\n", n) + _printk("fourth %s\n", "again");
}
