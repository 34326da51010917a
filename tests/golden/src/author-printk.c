// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of the author's macros leave no record in the index of messages.
 *
 * shows: printk-helper
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#include "kpatch-macros.h"
#endif

int f(int n)
{
#ifdef PATCHED
	KPATCH_PRINTK("n is %d now\n", n);
	KPATCH_PRINTK_DEFERRED("later\n");
#else
	indexed_printk("n is %d\n", n);
#endif
	return sink(n);
}
