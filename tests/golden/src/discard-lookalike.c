// SPDX-License-Identifier: GPL-2.0-only
/*
 * A section that is not discarded, whatever its name begins with, gets an entry.
 *
 * shows: discard
 * status: refused
 * refusals: changed-registration:f
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
static void *const address used in_section("discard_list") = f;
#endif
