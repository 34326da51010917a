// SPDX-License-Identifier: GPL-2.0-only
/*
 * foo.cold is the same code, and so is foo.
 *
 * shows: cold
 * status: unchanged
 * compilers: gcc
 */
#include "kernel.h"

#ifdef PATCHED
#define unused 1
#endif
void __cold complain(int n, const char *why);

int foo(int n)
{
	if (unlikely(n > 1000)) {
		complain(n, "too large");
		return -22;
	}
	return sink(n);
}
