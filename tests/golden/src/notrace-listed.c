// SPDX-License-Identifier: GPL-2.0-only
/*
 * A list that only says which functions must not be probed (NOKPROBE_SYMBOL) calls none of them: the callers suffice.
 *
 * shows: no-fentry reached
 * status: changed
 * changed: g
 * parts: f
 */
#include "kernel.h"

static notrace noinline int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}

in_section("_kprobe_blacklist") __attribute__((__used__)) static unsigned long listed = (unsigned long)f;

int g(int n)
{
	return f(n) + 1;
}
