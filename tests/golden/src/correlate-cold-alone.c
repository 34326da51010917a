// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only foo.cold changes: foo jumps to it, and is redirected.
 *
 * shows: cold reached
 * status: changed
 * compilers: gcc
 * changed: foo
 * parts: foo.cold
 */
#include "kernel.h"

void __cold complain(int n, const char *why);

int foo(int n)
{
	if (unlikely(n > 1000)) {
#ifdef PATCHED
		complain(n, "far too large");
#else
		complain(n, "too large");
#endif
		return -22;
	}
	return sink(n);
}
