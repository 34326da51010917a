// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mark that a function may be in use gives it no place to hook.
 *
 * shows: force
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: no-fentry:f
 */
#include "kernel.h"

unhookable int f(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_FORCE_UNSAFE(f);
#endif
