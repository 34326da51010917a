// SPDX-License-Identifier: GPL-2.0-only
/*
 * patch-hook.c - glue of every hot patch module
 *
 * Hands the sections that the build side wrote to the core module. The build
 * side may put kpatch-params.h beside this file (docs/module-format.md).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include "kpatch-patch.h"

#if __has_include("kpatch-params.h")
#include "kpatch-params.h"
#endif

#ifndef KPATCH_NR_FUNCS
#define KPATCH_NR_FUNCS 0
#endif
#ifndef KPATCH_CHECKSUM
#define KPATCH_CHECKSUM ""
#endif

/* Written by the build side, beside the sections that they bound. */
extern const struct kpatch_patch_func kpatch_funcs[], kpatch_funcs_end[];
extern const struct kpatch_patch_build kpatch_build_info;
extern const unsigned int kpatch_flags;

#define DECLARE_CALLBACKS(kind)							\
	extern const struct kpatch_patch_callback kpatch_callbacks_##kind[],	\
						  kpatch_callbacks_##kind##_end[]
DECLARE_CALLBACKS(pre_patch);
DECLARE_CALLBACKS(post_patch);
DECLARE_CALLBACKS(pre_unpatch);
DECLARE_CALLBACKS(post_unpatch);

#if KPATCH_NR_FUNCS > 0
/* trampolines.S */
extern const unsigned long kpatch_trampoline_entries[KPATCH_NR_FUNCS];
extern const char kpatch_trampoline_start[], kpatch_trampoline_end[];

u8 kpatch_trampoline_on[KPATCH_NR_FUNCS][2];
unsigned long kpatch_trampoline_below[KPATCH_NR_FUNCS];
#endif

static struct kpatch_patch patch = {
	.mod = THIS_MODULE,
	.funcs = kpatch_funcs,
	.funcs_end = kpatch_funcs_end,
	.build = &kpatch_build_info,
	.callbacks = {
		[KPATCH_PRE_PATCH] = kpatch_callbacks_pre_patch,
		[KPATCH_POST_PATCH] = kpatch_callbacks_post_patch,
		[KPATCH_PRE_UNPATCH] = kpatch_callbacks_pre_unpatch,
		[KPATCH_POST_UNPATCH] = kpatch_callbacks_post_unpatch,
	},
	.callbacks_end = {
		[KPATCH_PRE_PATCH] = kpatch_callbacks_pre_patch_end,
		[KPATCH_POST_PATCH] = kpatch_callbacks_post_patch_end,
		[KPATCH_PRE_UNPATCH] = kpatch_callbacks_pre_unpatch_end,
		[KPATCH_POST_UNPATCH] = kpatch_callbacks_post_unpatch_end,
	},
	.checksum = KPATCH_CHECKSUM,
#if KPATCH_NR_FUNCS > 0
	.trampolines = {
		.nr = KPATCH_NR_FUNCS,
		.entry = kpatch_trampoline_entries,
		.on = kpatch_trampoline_on,
		.below = kpatch_trampoline_below,
		.start = (unsigned long)kpatch_trampoline_start,
		.end = (unsigned long)kpatch_trampoline_end,
	},
#endif
};

static int __init kpatch_patch_init(void)
{
	patch.flags = kpatch_flags;
	return kpatch_register(&patch);
}
module_init(kpatch_patch_init);

static void __exit kpatch_patch_exit(void)
{
	kpatch_unregister(&patch);
}
module_exit(kpatch_patch_exit);

MODULE_LICENSE("GPL");
MODULE_INFO(kpatch, __stringify(KPATCH_FORMAT));
#ifdef KPATCH_NAME
MODULE_INFO(kpatch_name, KPATCH_NAME);
#endif
#ifdef KPATCH_KERNEL
MODULE_INFO(kpatch_kernel, KPATCH_KERNEL);
#endif
#ifdef KPATCH_CVES
MODULE_INFO(kpatch_cves, KPATCH_CVES);
#endif
#ifdef KPATCH_REPLACE
MODULE_INFO(kpatch_replace, __stringify(KPATCH_REPLACE));
#endif
#ifdef KPATCH_VERSION
MODULE_INFO(kpatch_version, KPATCH_VERSION);
#endif
#ifdef KPATCH_DESCRIPTION
MODULE_DESCRIPTION(KPATCH_DESCRIPTION);
#endif
MODULE_INFO(kpatch_checksum, KPATCH_CHECKSUM);
MODULE_INFO(kpatch_interface, "core");
