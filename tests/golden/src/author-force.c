// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function may be in use when it is switched; its local part gets the mark as well.
 *
 * shows: force
 * status: changed
 * compilers: gcc
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 * parts: f.cold
 */
#include "kernel.h"

void __cold complain(int n, const char *why);

int f(int n)
{
	if (unlikely(n > 1000)) {
#ifdef PATCHED
		complain(n, "far too large");
#else
		complain(n, "too large");
#endif
		return -22;
	}
	return sink(n);
}
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_FORCE_UNSAFE(f);
#endif
