// SPDX-License-Identifier: GPL-2.0-only
/*
 * A jump table leads to the very start of the unlikely half: that is no pointer to it.
 *
 * shows: jump-table cold
 * status: changed
 * changed: f
 * parts(gcc): f.cold
 * compilers: gcc
 */
#include "kernel.h"

__cold void fatal(const char *text);

int f(int n)
{
	switch (n) {
	case 0:
		return sink(5);
	case 1:
		fatal("one");
		return 7;
	case 2:
		return sink2(n, "two") + 3;
	case 3:
		return sink(n + 8) - 8;
	case 4:
		return sink2(4, &sink) * 5;
	case 5:
		fatal("five");
		return sink2(9, "five");
	}
#ifdef PATCHED
	return sink(n + 1);
#else
	return sink(n);
#endif
}
