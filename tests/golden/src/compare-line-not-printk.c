// SPDX-License-Identifier: GPL-2.0-only
/*
 * A constant in a message's argument changes while no line moves.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define CODE 42
#else
#define CODE 41
#endif
int f(int n)
{
	printk("error %d\n", CODE);
	return sink(n);
}
