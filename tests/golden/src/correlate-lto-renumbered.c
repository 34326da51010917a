// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions of one name get other numbers by link time optimization, and one of them changes: the other is known
 * by its code, and so is the one that is left.
 *
 * shows: lto-priv
 * status: changed
 * changed: lookup.lto_priv.0
 */
#include "kernel.h"

#ifdef PATCHED
static noinline int first(int *n) __asm__("lookup.lto_priv.4");
static noinline int second(int *n) __asm__("lookup.lto_priv.7");
#else
static noinline int first(int *n) __asm__("lookup.lto_priv.0");
static noinline int second(int *n) __asm__("lookup.lto_priv.1");
#endif

static noinline int second(int *n)
{
	barrier();
	return sink(*n) + 55;
}

static noinline int first(int *n)
{
#ifdef PATCHED
	if (!n)
		return -22;
#endif
	barrier();
	return sink(*n);
}

static int (*const table[])(int *n) used = { first, second };

int f(int *n)
{
	return first(n);
}

int g(int *n)
{
	return second(n);
}
