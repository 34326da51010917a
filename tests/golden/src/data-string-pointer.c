// SPDX-License-Identifier: GPL-2.0-only
/*
 * A variable points to a string whose text changes.
 *
 * shows: changed-data strings
 * status: refused
 * refusals: changed-data:banner
 */
#include "kernel.h"

#ifdef PATCHED
const char *banner = "version two";
#else
const char *banner = "version one";
#endif

int f(int n)
{
	return sink2(n, banner);
}
