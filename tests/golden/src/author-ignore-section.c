// SPDX-License-Identifier: GPL-2.0-only
/*
 * The author says that the changed data of a section does not matter.
 *
 * shows: ignore-section
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_IGNORE_SECTION(".data.limit");
KPATCH_IGNORE_SECTION(".data.unused");
int limit = 5;
#else
int limit = 4;
#endif

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return n > limit ? 0 : sink(n);
}
