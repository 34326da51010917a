// SPDX-License-Identifier: GPL-2.0-only
/*
 * printk_once(): its mark is one use's own; a new one may print once more.
 *
 * shows: closure
 * status: changed
 * changed: f
 * data(gcc): __already_done.0
 * data(clang): f.__already_done
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	printk_once("only once\n");
	return sink(n);
}
