// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static key of the kernel: the new code's entry is kept.
 *
 * shows: jump-label jump_table
 * status: changed
 * changed: f
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
