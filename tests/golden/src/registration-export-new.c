// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new EXPORT_SYMBOL: a running kernel's symbol table cannot grow.
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
#ifdef PATCHED
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
