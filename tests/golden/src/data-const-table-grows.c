// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of constants gets more entries, and the code that reads it a new limit.
 *
 * shows: changed-data
 * status: changed
 * changed: f
 * data: table
 */
#include "kernel.h"

static const short table[] = {
	3, 5, 7, 11,
#ifdef PATCHED
	13, 17,
#endif
};

int f(unsigned int n)
{
	if (n >= sizeof(table) / sizeof(table[0]))
		return -22;
	return sink(table[n]);
}
