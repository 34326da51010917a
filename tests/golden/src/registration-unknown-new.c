// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new entry in a section that the kernel reads when it starts.
 *
 * shows: registration
 * status: refused
 * refusals: changed-registration:scheme
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
static int scheme(int n) { return sink(n) * 2; }
static int (*const entry)(int) used in_section("_error_injection_whitelist") = scheme;
#endif
