// SPDX-License-Identifier: GPL-2.0-only
/*
 * A section that the kernel reads when it starts says the same, beside a change.
 *
 * shows: registration
 * status: changed
 * changed: f
 */
#include "kernel.h"

static int scheme(int n) { return sink(n) * 2; }
static int (*const entry)(int) used in_section("_error_injection_whitelist") = scheme;

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
