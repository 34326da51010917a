// SPDX-License-Identifier: GPL-2.0-only
/*
 * What data points to becomes nameless, and says something else.
 *
 * shows: clang-unnamed
 * status: refused
 * compilers: clang
 * refusals: changed-data:class
 */
#include "kernel.h"

struct class {
	const char *system;
	int (*probe)(int);
};

#ifdef PATCHED
static const char system_name[] = "signet";
#else
static const char system_name[] = "signal";
#endif
struct class class in_section(".ref.data") = { system_name, sink };

#ifdef PATCHED
int f(int n)
{
	return sink2(n, "signet");
}
#else
int f(int n)
{
	return sink(n);
}
#endif
