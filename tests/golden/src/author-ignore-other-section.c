// SPDX-License-Identifier: GPL-2.0-only
/*
 * The author names another section than the one that changes.
 *
 * shows: ignore-section
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: changed-data:limit
 */
#include "kernel.h"

#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_IGNORE_SECTION(".data.other");
int limit = 5;
#else
int limit = 4;
#endif

int f(int n)
{
	return n > limit ? 0 : sink(n);
}
