// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables of one name in one changed function: what the code does with each tells them apart.
 *
 * shows: static-local
 * status: changed
 * changed: f
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

#ifdef PATCHED
		if (n == 2)
			return 7;
#endif
		count ^= n;
		sink(count);
	}
	return 0;
}
