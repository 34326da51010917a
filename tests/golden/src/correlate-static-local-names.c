// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two tables of texts with one name in one function: which copy the code reads does not matter.
 *
 * shows: static-local
 * status: changed
 * changed: f
 * data(gcc): names.1 names.2
 * data(clang): f.names.3
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n == 7)
		return 0;
#endif
	if (n < 3) {
		static const char *const names[] = { "one", "two", "three" };

		return sink2(n, names[n]);
	} else {
		static const char *const names[] = { "four", "five", "six" };

		return sink2(n, names[n - 3]) + 1;
	}
}

int g(int n)
{
	static const char *const names[] = { "seven", "eight", "nine" };

	return sink2(n, names[n]) + 2;
}
