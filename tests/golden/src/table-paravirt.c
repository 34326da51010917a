// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through a paravirt table; the last entry lacks its padding.
 *
 * shows: parainstructions
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
	PARAVIRT(pv_ops + 8, 3);
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	PARAVIRT(pv_ops + 16, 4);
	return sink(n);
}
