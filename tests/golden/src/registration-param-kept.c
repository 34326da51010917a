// SPDX-License-Identifier: GPL-2.0-only
/*
 * A parameter beside a change.
 *
 * shows: param
 * status: changed
 * changed: f
 */
#include "kernel.h"

int limit = 4;
module_param(limit);

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return -1;
#endif
	return sink(limit);
}
