// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a module, a static call by way of its key: an ordinary indirect call.
 *
 * shows: static-call-helper module-static-call
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * object: driver
 * changed: f
 */
#include "kernel.h"

STATIC_CALL_DEFINED(open, sink);
#ifdef PATCHED
#include "kpatch-macros.h"
#endif

int f(int n)
{
#ifdef PATCHED
	return n < 0 ? 0 : KPATCH_STATIC_CALL(open)(n);
#else
	STATIC_CALL(open);
	return n;
#endif
}
