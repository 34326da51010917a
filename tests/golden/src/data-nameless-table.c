// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without -fdata-sections clang's table of the switch lies nameless behind another object: its change is seen.
 *
 * shows: cswtch
 * status: changed
 * compilers: clang
 * flags: -fno-function-sections -fno-data-sections
 * changed: f
 */
#include "kernel.h"

static const int table[5] = { 1, 2, 3, 4, 5 };

int g(int n)
{
	return sink2(n, table) + table[n & 3];
}

int f(int n)
{
	switch (n) {
	case 0: return 5;
	case 1: return 17;
#ifdef PATCHED
	case 2: return 14;
#else
	case 2: return 15;
#endif
	case 3: return 2;
	case 4: return 400;
	case 5: return 23;
	}
	return 0;
}
