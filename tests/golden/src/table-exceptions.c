// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads that may fault: entries for the included code only.
 *
 * shows: ex_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(const int *p)
{
	int value;

	LOAD_OR(p, value, 3);
#ifdef PATCHED
	LOAD_OR(p + 1, value, 3);
#endif
	return value;
}

int g(const int *p)
{
	int value;

	LOAD_OR(p, value, 3);
	return value;
}
