// SPDX-License-Identifier: GPL-2.0-only
/*
 * patch-hook.c - glue of every hot patch module for the core module
 *
 * Hands the sections that the build side wrote to kpatch.ko.
 */
#include <linux/init.h>
#include "kpatch-glue.h"

#if KPATCH_NR_FUNCS > 0
u8 kpatch_trampoline_on[KPATCH_NR_FUNCS][2];
unsigned long kpatch_trampoline_below[KPATCH_NR_FUNCS];
#endif

static struct kpatch_patch patch = {
	KPATCH_SECTIONS,
#if KPATCH_NR_FUNCS > 0
	.trampolines = {
		.nr = KPATCH_NR_FUNCS,
		.entry = kpatch_trampoline_entries,
		.on = kpatch_trampoline_on,
		.below = kpatch_trampoline_below,
	},
#endif
};

static int __init kpatch_patch_init(void)
{
	patch.flags = kpatch_flags;
#if KPATCH_NR_FUNCS > 0
	patch.trampolines.start = kpatch_trampoline_entries[0];
	patch.trampolines.end = kpatch_trampoline_entries[0] + kpatch_trampolines_size;
#endif
	return kpatch_register(&patch);
}
module_init(kpatch_patch_init);

static void __exit kpatch_patch_exit(void)
{
	kpatch_unregister(&patch);
}
module_exit(kpatch_patch_exit);

MODULE_INFO(kpatch_interface, "core");
