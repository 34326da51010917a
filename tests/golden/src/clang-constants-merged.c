// SPDX-License-Identifier: GPL-2.0-only
/*
 * clang keeps one of two equal constants: a text that data points to loses its name (str__signal__trace_system_name).
 *
 * shows: clang-unnamed
 * status: changed
 * compilers: clang
 * changed: f
 */
#include "kernel.h"

struct class {
	const char *system;
	int (*probe)(int);
};

static const char system_name[] = "signal";
struct class class in_section(".ref.data") = { system_name, sink };

#ifdef PATCHED
int f(int n)
{
	return sink2(n, "signal");
}
#else
int f(int n)
{
	return sink(n);
}
#endif
