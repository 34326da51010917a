// SPDX-License-Identifier: GPL-2.0-only
/*
 * An EXPORT_SYMBOL goes away.
 *
 * shows: export
 * status: refused
 * refusals: changed-export:f
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifndef PATCHED
EXPORT_SYMBOL(f);
#endif
