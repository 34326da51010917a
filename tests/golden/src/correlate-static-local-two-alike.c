// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables of one name in one changed function: it does the same with both, and nobody can tell which is which.
 *
 * shows: static-local
 * status: refused
 * refusals(gcc): ambiguous-static-local:count.0 ambiguous-static-local:count.1
 * refusals(clang): ambiguous-static-local:f.count ambiguous-static-local:f.count.1
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
		count += n;
		sink(count);
	}
	return 0;
}
