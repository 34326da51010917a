// SPDX-License-Identifier: GPL-2.0-only
/*
 * clang lets a text in code be one with a new array that says the same: code that only has the text is unchanged.
 *
 * shows: clang-unnamed
 * status: changed
 * compilers: clang
 * changed: f
 * data: names
 */
#include "kernel.h"

#ifdef PATCHED
static const char name[] = "signal";
static const char *names[] = { name, "other" };

int f(int n)
{
	names[n & 1] = name;
	return sink2(n, names[n & 1]);
}
#else
int f(int n)
{
	return sink(n);
}
#endif

int g(int n)
{
	return sink2(n, "signal");
}
