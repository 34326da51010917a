// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pointer to a function of the running kernel leads to the original, a call to the new body.
 *
 * shows: pointer
 * status: changed
 * changed: f g
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return take(f) + f(n);
}
