// SPDX-License-Identifier: GPL-2.0-only
/*
 * The type that a call through a pointer expects changes, in code that cannot be hooked.
 *
 * shows: cfi
 * status: refused
 * compilers: kcfi
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define TYPE long
#else
#define TYPE int
#endif
unhookable int f(void *function, int n)
{
	return ((int (*)(TYPE))function)(n) + 1;
}
