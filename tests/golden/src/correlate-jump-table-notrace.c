// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two cases of a switch by jump table swap: only the table shows it, and the code cannot be hooked.
 *
 * shows: jump-table
 * status: refused
 * flags: -fjump-tables
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define TWO 3
#define THREE 2
#else
#define TWO 2
#define THREE 3
#endif
unhookable int f(unsigned int n)
{
	switch (n) {
	case 0: return sink(13);
	case 1: return take(sink);
	case TWO: return sink2(4, 0);
	case THREE: return sink(5);
	case 4: return sink2(9, "nine");
	case 5: return sink(n) * 2;
	case 6: return sink(n) * 5;
	}
	return 0;
}
