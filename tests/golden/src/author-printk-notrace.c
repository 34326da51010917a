// SPDX-License-Identifier: GPL-2.0-only
/*
 * The author's macro for messages in code that cannot be hooked.
 *
 * shows: printk-helper
 * status: refused
 * flags: -Istubs -I../../../kmod/patch
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#include "kpatch-macros.h"
#endif

unhookable int f(int n)
{
#ifdef PATCHED
	KPATCH_PRINTK("n is %d now\n", n);
#endif
	return sink(n);
}
