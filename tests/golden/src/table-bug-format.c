// SPDX-License-Identifier: GPL-2.0-only
/*
 * WARN() since 6.19: only the text of the message changes, which stands in the entry.
 *
 * shows: bug_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

void trap(void *entry);

int f(int n)
{
#ifdef PATCHED
	if (n == 7)
		trap(OWN_BUG_ENTRY("n is seven!"));
#else
	if (n == 7)
		trap(OWN_BUG_ENTRY("n is seven"));
#endif
	return sink(n);
}
