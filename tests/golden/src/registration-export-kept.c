// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exported function changes.
 *
 * shows: export
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n == 5)
		return 0;
#endif
	return sink(n);
}
EXPORT_SYMBOL(f);

int g(int n)
{
	return sink(n + 1);
}
EXPORT_SYMBOL(g);
