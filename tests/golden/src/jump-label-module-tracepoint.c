// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracepoint of a module: it stays silent in the hot patch, and a warning says so.
 *
 * shows: module-jump-label tracepoints
 * status: changed
 * object: driver
 * changed: f
 * warnings: 1
 */
#include "kernel.h"

struct tracepoint __tracepoint_opened = { "opened", { 0, 0 } };

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	if (static_branch(&__tracepoint_opened.key))
		return sink(n);
	return n;
}
