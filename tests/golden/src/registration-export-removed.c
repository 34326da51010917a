// SPDX-License-Identifier: GPL-2.0-only
/*
 * An EXPORT_SYMBOL goes away, its function stays: who uses it can go on.
 *
 * shows: export
 * status: changed
 * changed: f
 * warnings: 1
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
#ifndef PATCHED
EXPORT_SYMBOL(f);
#endif
