// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exported function goes away: modules call it, and would go on to run the old code.
 *
 * shows: export
 * status: refused
 * refusals: changed-export:f
 */
#include "kernel.h"

#ifndef PATCHED
int f(int n)
{
	return sink(n);
}
EXPORT_SYMBOL(f);
#endif

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
EXPORT_SYMBOL(g);
