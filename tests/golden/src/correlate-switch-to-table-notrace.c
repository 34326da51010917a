// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table that the compiler made of a switch changes; the code that reads it cannot be hooked.
 *
 * shows: cswtch
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

unhookable int f(unsigned int n)
{
	int value;

	switch (n) {
	case 0: value = 13; break;
	case 1: value = 77; break;
	case 2: value = 4; break;
#ifdef PATCHED
	case 3: value = 190; break;
#else
	case 3: value = 191; break;
#endif
	case 4: value = 22; break;
	default: value = 0; break;
	}
	return sink(value);
}
