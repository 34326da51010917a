// SPDX-License-Identifier: GPL-2.0-only
/*
 * A weak reference stays weak: what it names need not be there.
 *
 * shows: closure
 * status: changed
 * changed: f
 */
#include "kernel.h"

int optional(int n) __attribute__((__weak__));

int f(int n)
{
#ifdef PATCHED
	n ^= 3;
#endif
	return optional ? optional(n) : sink(n);
}
