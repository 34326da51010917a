// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number that goes to a message is no line, and the code cannot be hooked.
 *
 * shows: line-printk
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define CODE 42
#else
#define CODE 41
#endif
unhookable int f(int n)
{
	printk("error %d\n", CODE);
	return sink(n);
}
