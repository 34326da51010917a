// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a string is where another one begins in the original; in a hot patch another one may.
 *
 * shows: strings
 * status: refused
 * compilers: gcc
 * refusals: not-understood:f not-understood:
 */
#include "kernel.h"

int between(const char *start, const char *end);

int f(int n)
{
#ifdef PATCHED
	sink(n);
#endif
	return between("abc", "abc" + 4) + sink2(n, "the next one");
}
