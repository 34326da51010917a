// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callbacks beside a change: their table and they themselves are part of the hot patch.
 *
 * shows: callbacks closure
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 * new: prepare finish
 */
#include "kernel.h"

#ifdef PATCHED
#include "kpatch-macros.h"

static int prepare(struct kpatch_object *object) { return sink2(1, object); }
static void finish(struct kpatch_object *object) { sink2(2, object); }
KPATCH_PRE_PATCH_CALLBACK(prepare);
KPATCH_POST_PATCH_CALLBACK(finish);
KPATCH_PRE_UNPATCH_CALLBACK(finish);
KPATCH_POST_UNPATCH_CALLBACK(finish);
#endif

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
