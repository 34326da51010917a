// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static call whose key belongs to the module: it goes by way of the trampoline.
 *
 * shows: module-static-call
 * status: changed
 * object: driver
 * changed: f
 */
#include "kernel.h"

void *__SCK__open;

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	STATIC_CALL(open);
	return sink(n);
}
