// SPDX-License-Identifier: GPL-2.0-only
/*
 * Link time optimization numbers local names anew; one of the functions changes.
 *
 * shows: lto-priv
 * status: changed
 * changed: helper.lto_priv.0
 */
#include "kernel.h"

#ifdef PATCHED
#define NUMBER "3"
#else
#define NUMBER "0"
#endif
static noinline int helper(int n) __asm__("helper.lto_priv." NUMBER);
static noinline int other(int n) __asm__("other.lto_priv." NUMBER);
static int hits __asm__("hits.lto_priv." NUMBER);

static noinline int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n + hits++);
}

static noinline int other(int n)
{
	return sink(n - hits++);
}

int f(int n)
{
	return helper(n) + other(n);
}
