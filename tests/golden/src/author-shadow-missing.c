// SPDX-License-Identifier: GPL-2.0-only
/*
 * New data for an object that exists, without a shadow variable.
 *
 * shows: shadow
 * status: refused
 * refusals: changed-data:first
 */
#include "kernel.h"

struct device {
	int id;
#ifdef PATCHED
	int opens;
#endif
};
struct device first = { 1 };

int f(struct device *device)
{
#ifdef PATCHED
	if (++device->opens > 4)
		return -16;
#endif
	return sink(device->id);
}
