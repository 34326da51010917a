// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable points to one of clang's unnamed constants, whose contents change.
 *
 * shows: clang-unnamed
 * status: refused
 * compilers: clang
 * refusals: changed-data:.compoundliteral
 */
#include "kernel.h"

struct three {
	int a, b, c;
};
#ifdef PATCHED
const struct three *current_limits = &(const struct three){ 7, 8, 10 };
#else
const struct three *current_limits = &(const struct three){ 7, 8, 9 };
#endif

int f(int n)
{
	return n > current_limits->b ? 0 : sink(n);
}
