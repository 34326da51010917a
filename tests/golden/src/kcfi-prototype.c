// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the type of a function changes (kCFI): calls through pointers would stop at the running kernel's function.
 *
 * shows: cfi
 * status: refused
 * compilers: kcfi
 * refusals: changed-prototype:f
 */
#include "kernel.h"

#ifdef PATCHED
#define TYPE long
#else
#define TYPE int
#endif
int f(TYPE n)
{
	return sink(n) + 1;
}
