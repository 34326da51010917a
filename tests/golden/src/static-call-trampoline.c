// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trampoline of a static call stays, beside a change in its caller.
 *
 * shows: static_call.text static_call_sites
 * status: changed
 * changed: f
 */
#include "kernel.h"

STATIC_CALL_DEFINED(open, sink);

int f(int n)
{
	STATIC_CALL(open);
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return n;
}

int g(int n)
{
	STATIC_CALL(open);
	return sink(n) + 1;
}
