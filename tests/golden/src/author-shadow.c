// SPDX-License-Identifier: GPL-2.0-only
/*
 * New data for objects that exist lies in shadow variables.
 *
 * shows: shadow
 * status: changed
 * flags: -Istubs -I../../../kmod/patch -DCONFIG_LIVEPATCH
 * changed: f
 */
#include "kernel.h"

struct device {
	int id;
};
#ifdef PATCHED
#include "kpatch-macros.h"
#endif

int f(struct device *device)
{
#ifdef PATCHED
	int *opens = kpatch_shadow_get_or_alloc(device, 1, sizeof(*opens), 0, 0, 0);

	if (opens && ++*opens > 4) {
		kpatch_shadow_free(device, 1, 0);
		return -16;
	}
#endif
	return sink(device->id);
}
