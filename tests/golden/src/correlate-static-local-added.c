// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new static local before an old one of the same name, in another function: the old one is referred to.
 *
 * shows: static-local
 * status: changed
 * changed: newer older
 * data(gcc): count.1
 * data(clang): newer.count
 */
#include "kernel.h"

int newer(int n)
{
#ifdef PATCHED
	static int count;

	n += ++count;
#endif
	return sink(n);
}

int older(int n)
{
	static int count;

	count += n;
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(count);
}
