// SPDX-License-Identifier: GPL-2.0-only
/*
 * New code prints a text that is freed after start.
 *
 * shows: needed-strings closure
 * status: refused
 * refusals: init-data:text
 */
#include "kernel.h"

#ifdef PATCHED
static const char text[] in_section(".init.rodata") = "gone after start";
#endif

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return sink2(n, text);
#endif
	return sink(n);
}
