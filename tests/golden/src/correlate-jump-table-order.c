// SPDX-License-Identifier: GPL-2.0-only
/*
 * A switch by jump table: two cases swap, the code of the cases stays.
 *
 * shows: jump-table
 * status: changed
 * flags: -fjump-tables
 * changed: f
 * parts(gcc): f.cold
 */
#include "kernel.h"

int f(unsigned int n)
{
#ifdef PATCHED
#define ONE 2
#define TWO 1
#else
#define ONE 1
#define TWO 2
#endif
	switch (n) {
	case 0: return sink(13);
	case ONE: return sink(1) * 77;
	case TWO: return sink(1) * 79;
	case 3: return sink(5) + 1;
	case 4: return sink2(9, "nine");
	case 5: return sink(n) * 2;
	case 6: return sink(n) * 5;
	}
	return 0;
}
