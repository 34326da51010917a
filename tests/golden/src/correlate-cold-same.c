// SPDX-License-Identifier: GPL-2.0-only
/*
 * foo changes and foo.cold does not: it runs on the stack frame of foo, and goes with it.
 *
 * shows: cold reached
 * status: changed
 * compilers: gcc
 * changed: f
 * parts: f.cold
 */
#include "kernel.h"

void __cold complain(int n);

int f(int n)
{
	if (unlikely(n > 1000)) {
		complain(n);
		return -22;
	}
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
