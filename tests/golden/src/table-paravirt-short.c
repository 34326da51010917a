// SPDX-License-Identifier: GPL-2.0-only
/*
 * A single entry without its padding belongs to the included code.
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
