// SPDX-License-Identifier: GPL-2.0-only
/*
 * A key in a module, but in code that stays.
 *
 * shows: module-jump-label
 * status: changed
 * object: driver
 * changed: g
 */
#include "kernel.h"

struct static_key key;

int f(int n)
{
	if (static_branch(&key))
		return sink(n);
	return n;
}

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
