// SPDX-License-Identifier: GPL-2.0-only
/*
 * A type gets a larger alignment: the variable takes more room, which the running kernel's does not have.
 *
 * shows: alignment
 * status: refused
 * refusals: changed-data:limits
 */
#include "kernel.h"

struct limits {
	int small, large;
}
#ifdef PATCHED
__attribute__((__aligned__(64)))
#endif
;
struct limits limits = { 1, 3 };

int f(int n)
{
	return n > limits.large ? 0 : sink(n);
}
