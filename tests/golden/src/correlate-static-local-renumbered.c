// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static local before it goes away: the number of the other one changes, not its identity.
 *
 * shows: static-local
 * status: changed
 * changed: user
 */
#include "kernel.h"

#ifndef PATCHED
int unrelated(int n)
{
	static int count;

	return sink(count += n);
}
#else
int unrelated_total;
int unrelated(int n);
#endif

int user(int n)
{
	static int count;

	count += n;
#ifdef PATCHED
	if (n > 100)
		return -1;
#endif
	return sink(count);
}
