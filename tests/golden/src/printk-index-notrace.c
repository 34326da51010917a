// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message with a record in the index changes in code that cannot be hooked.
 *
 * shows: printk_index
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

unhookable int f(int n)
{
#ifdef PATCHED
	indexed_printk("n is %d now\n", n);
#else
	indexed_printk("n is %d\n", n);
#endif
	return sink(n);
}
