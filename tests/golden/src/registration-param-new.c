// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new parameter.
 *
 * shows: param
 * status: refused
 * refusals: changed-param:limit
 */
#include "kernel.h"

int limit = 4;
#ifdef PATCHED
module_param(limit);
#endif

int f(int n)
{
	return sink(limit);
}
