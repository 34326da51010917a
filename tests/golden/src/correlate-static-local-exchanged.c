// SPDX-License-Identifier: GPL-2.0-only
/*
 * The uses of two variables of one name are exchanged: by what the code does with each they would be told apart wrongly.
 *
 * shows: static-local
 * status: refused
 * refusals(gcc): ambiguous-static-local:count.0 ambiguous-static-local:count.1
 * refusals(clang): ambiguous-static-local:f.count ambiguous-static-local:f.count.1
 */
#include "kernel.h"

#ifdef PATCHED
#define FIRST(variable)	(variable ^= n)
#define OTHER(variable)	(variable += n)
#else
#define FIRST(variable)	(variable += n)
#define OTHER(variable)	(variable ^= n)
#endif

int f(int n)
{
	if (n > 3) {
		static int count;

		FIRST(count);
		sink(count);
	} else {
		static int count;

		OTHER(count);
		sink(count);
	}
	return 0;
}
