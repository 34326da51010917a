// SPDX-License-Identifier: GPL-2.0-only
/*
 * A switch by jump table: a case changes.
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
	switch (n) {
	case 0: return sink(13);
	case 1: return take(sink);
	case 2: return sink2(4, 0);
#ifdef PATCHED
	case 3: return sink(5) + 1;
#else
	case 3: return sink(5);
#endif
	case 4: return sink2(9, "nine");
	case 5: return sink(n) * 2;
	case 6: return sink(n) * 5;
	}
	return 0;
}
