// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number in a message changes, which is no line: no file or function stands before it, and no line moved.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define PORT 6
#else
#define PORT 5
#endif
int f(const char *name)
{
	printk("%s:%d: no answer\n", name, PORT);
	printk("%s (%d)\n", name, PORT);
	printk("irq line %d\n", PORT);
	return sink(2);
}
