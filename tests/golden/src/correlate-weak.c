// SPDX-License-Identifier: GPL-2.0-only
/*
 * A weak function changes; the kernel may run another one of that name.
 *
 * shows: static-global
 * status: changed
 * changed: f
 */
#include "kernel.h"

int __attribute__((__weak__)) f(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 3;
#endif
	return sink(n);
}
