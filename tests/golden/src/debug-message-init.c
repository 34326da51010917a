// SPDX-License-Identifier: GPL-2.0-only
/*
 * A debug message of start-up code changes.
 *
 * shows: dynamic-debug
 * status: refused
 * refusals: init-code:setup
 */
#include "kernel.h"

__init int setup(int n)
{
#ifdef PATCHED
	pr_debug("starting\n");
#else
	pr_debug("start\n");
#endif
	return sink(n);
}
