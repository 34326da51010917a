// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new tracepoint: the kernel has made its list of them.
 *
 * shows: tracepoints
 * status: refused
 * refusals: changed-registration:__tpstrtab_opened changed-registration:__tracepoint_opened
 */
#include "kernel.h"

#ifdef PATCHED
DEFINE_TRACEPOINT(opened);
#endif

int f(int n)
{
#ifdef PATCHED
	if (static_branch(&__tracepoint_opened.key))
		return 0;
#endif
	return sink(n);
}
