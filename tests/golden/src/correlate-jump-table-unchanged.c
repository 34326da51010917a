// SPDX-License-Identifier: GPL-2.0-only
/*
 * A switch by jump table beside a changed function.
 *
 * shows: jump-table
 * status: changed
 * flags: -fjump-tables
 * changed: g
 */
#include "kernel.h"

int g(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int f(unsigned int n)
{
	switch (n) {
	case 0: return sink(13);
	case 1: return sink(1) * 77;
	case 2: return sink(1) * 79;
	case 3: return sink(5) + 1;
	case 4: return sink2(9, "nine");
	case 5: return sink(n) * 2;
	case 6: return sink(n) * 5;
	}
	return 0;
}
