// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message has a record in the index of messages: its text changes, and the index is for the build only.
 *
 * shows: printk_index
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	indexed_printk("n is %d now\n", n);
#else
	indexed_printk("n is %d\n", n);
#endif
	return sink(n);
}

int g(int n)
{
	indexed_printk("g\n");
	return sink(n) + 1;
}
