// SPDX-License-Identifier: GPL-2.0-only
/*
 * A callback that is freed after start.
 *
 * shows: callbacks
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: init-code:prepare
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
#include "kpatch-macros.h"
static __init int prepare(struct kpatch_object *object)
{
	return sink(4);
}
KPATCH_PRE_PATCH_CALLBACK(prepare);
#endif
