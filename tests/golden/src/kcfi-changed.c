// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through pointers are checked (kCFI): the traps of the included code come along, and the type before its function.
 *
 * shows: cfi kcfi_traps
 * status: changed
 * compilers: kcfi
 * changed: f
 */
#include "kernel.h"

int f(int (*function)(int), int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return function(n) + 1;
}

int g(int (*function)(int), int n)
{
	return function(n) * 2;
}
