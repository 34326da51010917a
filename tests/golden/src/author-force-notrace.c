// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mark takes no address: a function that cannot be hooked stays one that is only called.
 *
 * shows: force no-fentry
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 * parts: helper
 */
#include "kernel.h"

static noinline notrace int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}

int f(int n)
{
	return helper(n) + 1;
}
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_FORCE_UNSAFE(helper);
#endif
