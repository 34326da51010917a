// SPDX-License-Identifier: GPL-2.0-only
/*
 * A key of the kernel, used by a module.
 *
 * shows: module-jump-label
 * status: changed
 * object: driver
 * changed: f
 */
#include "kernel.h"

extern struct static_key key;

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	if (static_branch(&key))
		return sink(n);
	return n;
}
