// SPDX-License-Identifier: GPL-2.0-only
/*
 * A static call by way of its key, whose first function changes in the same patch: the key has its value long since.
 *
 * shows: static-call-helper
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * object: driver
 * refusals: changed-data:__SCK__open no-fentry:__SCT__open
 */
#include "kernel.h"

#ifdef PATCHED
STATIC_CALL_DEFINED(open, sink2);
#include "kpatch-macros.h"
#else
STATIC_CALL_DEFINED(open, sink);
#endif

int f(int n)
{
#ifdef PATCHED
	return KPATCH_STATIC_CALL(open)(n);
#else
	STATIC_CALL(open);
	return n;
#endif
}
