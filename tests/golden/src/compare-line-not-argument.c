// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number changes that goes to an ordinary function, near a message with a line number.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define LIMIT 120
#else
#define LIMIT 110
#endif
int f(int n)
{
	printk("%s:%d: odd value\n", __FILE__, __LINE__);
	return sink(LIMIT);
}
