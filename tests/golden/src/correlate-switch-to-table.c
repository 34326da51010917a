// SPDX-License-Identifier: GPL-2.0-only
/*
 * gcc makes a table of a switch over constants; one value changes.
 *
 * shows: cswtch
 * status: changed
 * compilers: gcc
 * changed: f
 * data: CSWTCH.1
 */
#include "kernel.h"

int f(unsigned int n)
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
