// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new EXPORT_SYMBOL: a running kernel's symbol table cannot grow, but nobody else knows of it.
 *
 * shows: export
 * status: changed
 * changed: g
 * warnings: 1
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
