// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracepoint beside a change: its record stays the kernel's.
 *
 * shows: tracepoints
 * status: changed
 * changed: f
 */
#include "kernel.h"

DEFINE_TRACEPOINT(opened);

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
