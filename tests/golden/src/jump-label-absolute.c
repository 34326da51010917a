// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jump labels of kernels before 4.20: three absolute pointers, 24 bytes.
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
	if (old_static_branch(&key))
		return sink(n);
	return n;
}

int g(int n)
{
	if (old_static_branch(&key))
		return sink(n + 1);
	return n;
}
