// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable becomes constant, its value and all code stay.
 *
 * shows: changed-data
 * status: unchanged
 * compilers: gcc
 */
#include "kernel.h"

#ifdef PATCHED
#define maybe const
#else
#define maybe
#endif
maybe int table[] = { 1, 2, 3 };

int f(int n)
{
	return sink(table[n]);
}
