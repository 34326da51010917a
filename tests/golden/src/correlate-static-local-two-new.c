// SPDX-License-Identifier: GPL-2.0-only
/*
 * clang numbers the second variable of a name: a new one before it must not take its place.
 *
 * shows: static-local
 * status: refused
 * refusals(gcc): ambiguous-static-local:count.0 ambiguous-static-local:count.1
 * refusals(clang): ambiguous-static-local:f.count ambiguous-static-local:f.count.1
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n > 3) {
		static int count;

		count += n;
		return sink(count);
	}
#endif
	{
		static int count;

		count ^= n;
		return sink(count);
	}
}
