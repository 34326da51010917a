// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same key in a module: the kernel cannot find it while it loads the hot patch.
 *
 * shows: module-jump-label jump-label
 * status: refused
 * object: driver
 * refusals: module-key:key
 */
#include "kernel.h"

struct static_key key;

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
