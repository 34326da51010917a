// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callbacks alone make a hot patch: they may set data.
 *
 * shows: callbacks
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * new: prepare
 */
#include "kernel.h"

int limit = 3;
#ifdef PATCHED
#include "kpatch-macros.h"

static int prepare(struct kpatch_object *object)
{
	limit = 5;
	return 0;
}
KPATCH_PRE_PATCH_CALLBACK(prepare);
#endif

int f(int n)
{
	return n > limit ? 0 : sink(n);
}
