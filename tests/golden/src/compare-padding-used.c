// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was padding between two members gets a value.
 *
 * shows: padding
 * status: refused
 * refusals: changed-data:limits
 */
#include "kernel.h"

struct limits {
	char small;
#ifdef PATCHED
	char middle;
#endif
	int large;
};
#ifdef PATCHED
struct limits limits = { 1, 2, 3 };
#else
struct limits limits = { 1, 3 };
#endif

int f(int n)
{
	return n > limits.large ? 0 : sink(n);
}
