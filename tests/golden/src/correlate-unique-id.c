// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number that __UNIQUE_ID_ ends with depends on everything above it.
 *
 * shows: unique-id
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#define ABOVE __COUNTER__
enum { above = __COUNTER__, more = __COUNTER__ };
#endif
MODULE_INFO(author, "nobody");

int f(int n)
{
	static const int JOIN(__UNIQUE_ID_limit, __COUNTER__) used = 3;

	return sink(n);
}
