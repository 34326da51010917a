// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function uses another one of two variables of one name: their initial values tell which is which.
 *
 * shows: static-local
 * status: changed
 * changed: f
 */
#include "kernel.h"

static inline int next_number(void)
{
	static int last = 100;

	return ++last;
}

static inline int next_tag(void)
{
	static int last = 200;

	return ++last;
}

int f(int n)
{
#ifdef PATCHED
	return sink(next_tag());
#else
	return sink(next_number());
#endif
}

int g(int n)
{
	return sink(next_tag()) - sink(next_number());
}
