// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new initcall: the kernel has made its calls.
 *
 * shows: initcall
 * status: refused
 * refusals: changed-initcall:setup
 */
#include "kernel.h"

int setup(int n)
{
	return sink(n);
}
#ifdef PATCHED
initcall(setup, 6);
#endif
