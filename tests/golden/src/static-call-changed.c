// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static call goes to another key: the code shows it.
 *
 * shows: static_call_sites
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	STATIC_CALL(close);
#else
	STATIC_CALL(open);
#endif
	return sink(n);
}
