// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jump labels of kernels before 4.20, and a key in a module.
 *
 * shows: module-jump-label jump_table
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
	if (old_static_branch(&key))
		return sink(n);
	return n;
}
