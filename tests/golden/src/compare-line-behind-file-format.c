// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number changes behind __FILE__, but the callee formats both: nobody knows how.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

void complain(int level, const char *format, ...);

#ifdef PATCHED
#define CODE 77
#else
#define CODE 70
#endif
int f(int n)
{
	complain(3, "error in %s, code %d\n", __FILE__, CODE);
	return sink(n);
}
