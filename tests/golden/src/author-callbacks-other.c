// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both objects have a callback, and not the same one: the patch has something to say.
 *
 * shows: callbacks
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 */
#include "kernel.h"
#include "kpatch-macros.h"

static __used int one(struct kpatch_object *object) { return sink2(1, object); }
static __used int other(struct kpatch_object *object) { return sink2(2, object); }
#ifdef PATCHED
KPATCH_PRE_PATCH_CALLBACK(other);
#else
KPATCH_PRE_PATCH_CALLBACK(one);
#endif
