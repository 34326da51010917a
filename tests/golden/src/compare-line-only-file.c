// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message with __FILE__, whose number is no line: it changes.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define CODE 77
#else
#define CODE 70
#endif
int f(int n)
{
	printk("error in %s, code %d\n", __FILE__, CODE);
	return sink(n);
}
