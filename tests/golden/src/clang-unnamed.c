// SPDX-License-Identifier: GPL-2.0-only
/*
 * clang's unnamed constants, numbered anew.
 *
 * shows: clang-unnamed
 * status: changed
 * compilers: clang
 * changed: f
 */
#include "kernel.h"

struct three {
	int a, b, c;
};
int sum(const struct three *t);
#ifdef PATCHED
int f(int n)
{
	const struct three *t = &(const struct three){ 7, 8, 9 };

	return sum(t) + n;
}
#else
int f(int n)
{
	return n;
}
#endif

int g(int n)
{
	struct three t = { 100, 200, 300 };

	t.a += n;
	return sum(&t);
}
