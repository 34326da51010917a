// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move and the function changes beside its might_sleep().
 *
 * shows: line-might-sleep
 * status: changed
 * changed: g
 */
#include "kernel.h"

#ifdef PATCHED
#line 150
#endif
int f(int n)
{
	might_sleep();
	return sink(n);
}

int g(int n)
{
	might_sleep();
#ifdef PATCHED
	return sink(n + 1);
#else
	return sink(n);
#endif
}
