// SPDX-License-Identifier: GPL-2.0-only
/*
 * The functions swap places, and with them all strings in their section.
 *
 * shows: strings
 * status: unchanged
 */
#include "kernel.h"

#define F int f(int n) { return _printk("one %d\n", n) + _printk("both\n"); }
#define G int g(int n) { return _printk("two %d\n", n) - _printk("both\n"); }
#ifdef PATCHED
G
F
#else
F
G
#endif
