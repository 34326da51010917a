// SPDX-License-Identifier: GPL-2.0-only
/*
 * foo.cold goes away: its old body may still be on a stack.
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
#ifndef PATCHED
	if (unlikely(n > 1000)) {
		complain(n, "too large");
		return -22;
	}
#endif
	return sink(n);
}
