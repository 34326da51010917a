// SPDX-License-Identifier: GPL-2.0-only
/*
 * The patch takes addresses that the object did not take before: whether those functions kept their landing pads
 * stands in the kernel's image.  One was passed on before, data and calls do not count.
 *
 * shows: sealed
 * status: changed
 * flags: -fcf-protection=branch
 * changed: f
 * address_taken: here sink
 */
#include "kernel.h"

extern int known(int n);

int here(int n)
{
	return sink(n) * 3;
}

int before(int n)
{
	return take(known) + here(n);
}

int f(int n)
{
#ifdef PATCHED
	return take(sink) + take(known) + take(here);
#endif
	return sink(n);
}
