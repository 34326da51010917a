// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables of one name in one function that stays the same: the caller can change.
 *
 * shows: static-local
 * status: changed
 * changed: g
 */
#include "kernel.h"

int f(int n)
{
	if (n > 3) {
		static int count;

		count += n;
		sink(count);
	} else {
		static int count;

		count ^= n;
		sink(count);
	}
	return 0;
}

int g(int n)
{
#ifdef PATCHED
	if (n == 2)
		return 7;
#endif
	return sink(f(n) + 1);
}
