// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only foo.cold changes; foo, which jumps there, cannot be hooked.
 *
 * shows: cold reached
 * status: refused
 * compilers: gcc
 * refusals: no-fentry:foo
 */
#include "kernel.h"

void __cold complain(int n, const char *why);

unhookable int foo(int n)
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
