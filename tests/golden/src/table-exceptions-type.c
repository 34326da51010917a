// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens after the fault changes, the code stays.
 *
 * shows: ex_table
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define TYPE 9
#else
#define TYPE 3
#endif
int f(const int *p)
{
	int value;

	LOAD_OR(p, value, TYPE);
	return value;
}
