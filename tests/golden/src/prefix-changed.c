// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions with padding in front, which has a symbol of its own: it belongs to the function.
 *
 * shows: prefix patchable_function_entries
 * status: changed
 * flags: -fpatchable-function-entry=16,16
 * changed: f
 */
#include "kernel.h"

#define PREFIX(name)							\
	__asm__(".type __pfx_" #name ", @function\n"			\
		".set __pfx_" #name ", " #name " - 16\n"		\
		".size __pfx_" #name ", 16\n")
int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
PREFIX(f);

int g(int n)
{
	return sink(n + 1);
}
PREFIX(g);
