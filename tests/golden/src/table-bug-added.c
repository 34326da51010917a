// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only a WARN() is added.
 *
 * shows: bug_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	WARN_ON(n == 8);
#endif
	return sink(n);
}
