// SPDX-License-Identifier: GPL-2.0-only
/*
 * A jump label of a kernel before 4.20 goes to another key.
 *
 * shows: jump-label jump_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern struct static_key key_a, key_b;
#ifdef PATCHED
#define KEY key_b
#else
#define KEY key_a
#endif
int f(int n)
{
	if (old_static_branch(&KEY))
		return sink(n);
	return n;
}
