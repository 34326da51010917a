// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the code behind the fault changes.
 *
 * shows: fixup
 * status: changed
 * changed: g
 */
#include "kernel.h"

#ifdef PATCHED
#define ERROR -5
#else
#define ERROR -22
#endif
int f(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, -14);
	return value + failed;
}

int g(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, ERROR);
	return value + failed;
}
