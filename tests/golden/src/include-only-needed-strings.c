// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many strings in the object, few in what is included.
 *
 * shows: needed-strings
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n > 3)
		return sink2(n, "new");
#endif
	return sink2(n, "kept");
}

int g(int n)
{
	return sink2(n, "left out 1") + sink2(n, "left out 2") + sink2(n, "left out 3") + sink2(n, "kept");
}
