// SPDX-License-Identifier: GPL-2.0-only
/*
 * The author names another start-up function than the one that changes.
 *
 * shows: ignore-function
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: init-code:setup
 */
#include "kernel.h"

__init int prepare(int n)
{
	return sink(n) + 1;
}

__init int setup(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_IGNORE_FUNCTION(prepare);
#endif
