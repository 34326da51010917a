/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-glue.h - what every glue knows: the sections of its module, and modinfo
 *
 * Included by the one glue of a module. The build side puts kpatch-params.h
 * beside it, which may define the macros below.
 */
#ifndef _KPATCH_GLUE_H
#define _KPATCH_GLUE_H

#include <linux/module.h>
#include <linux/stringify.h>
#include "kpatch-patch.h"
#include "kpatch-params.h"

#ifndef KPATCH_NR_FUNCS
#define KPATCH_NR_FUNCS 0
#endif
#ifndef KPATCH_CHECKSUM
#define KPATCH_CHECKSUM ""
#endif
#ifndef KPATCH_DESCRIPTION
#define KPATCH_DESCRIPTION "kpatch: hot patch"
#endif

/* Written by the build side, beside the sections that they bound. */
extern const struct kpatch_patch_func kpatch_funcs[], kpatch_funcs_end[];
extern const struct kpatch_patch_build kpatch_build_info;
extern const struct kpatch_patch_reloc kpatch_relocs[], kpatch_relocs_end[];
extern const struct kpatch_patch_object kpatch_objects[], kpatch_objects_end[];
extern const unsigned int kpatch_flags;

#define KPATCH_DECLARE_CALLBACKS(kind)						\
	extern const struct kpatch_patch_callback kpatch_callbacks_##kind[],	\
						  kpatch_callbacks_##kind##_end[]
KPATCH_DECLARE_CALLBACKS(pre_patch);
KPATCH_DECLARE_CALLBACKS(post_patch);
KPATCH_DECLARE_CALLBACKS(pre_unpatch);
KPATCH_DECLARE_CALLBACKS(post_unpatch);

#if KPATCH_NR_FUNCS > 0
/* Between patch-hook.c and trampolines.S. */
extern const unsigned long kpatch_trampoline_entries[KPATCH_NR_FUNCS];
extern const u32 kpatch_trampolines_size;
extern u8 kpatch_trampoline_on[KPATCH_NR_FUNCS][2];
extern unsigned long kpatch_trampoline_below[KPATCH_NR_FUNCS];
#endif

/* The members of struct kpatch_patch that are the same for every interface. */
#define KPATCH_SECTIONS								\
	.mod = THIS_MODULE,							\
	.funcs = kpatch_funcs,							\
	.funcs_end = kpatch_funcs_end,						\
	.build = &kpatch_build_info,						\
	.relocs = kpatch_relocs,						\
	.relocs_end = kpatch_relocs_end,					\
	.objects = kpatch_objects,						\
	.objects_end = kpatch_objects_end,					\
	.callbacks = {								\
		[KPATCH_PRE_PATCH] = kpatch_callbacks_pre_patch,		\
		[KPATCH_POST_PATCH] = kpatch_callbacks_post_patch,		\
		[KPATCH_PRE_UNPATCH] = kpatch_callbacks_pre_unpatch,		\
		[KPATCH_POST_UNPATCH] = kpatch_callbacks_post_unpatch,		\
	},									\
	.callbacks_end = {							\
		[KPATCH_PRE_PATCH] = kpatch_callbacks_pre_patch_end,		\
		[KPATCH_POST_PATCH] = kpatch_callbacks_post_patch_end,		\
		[KPATCH_PRE_UNPATCH] = kpatch_callbacks_pre_unpatch_end,	\
		[KPATCH_POST_UNPATCH] = kpatch_callbacks_post_unpatch_end,	\
	},									\
	.checksum = KPATCH_CHECKSUM

MODULE_LICENSE("GPL");
MODULE_INFO(kpatch, __stringify(KPATCH_FORMAT));
MODULE_INFO(kpatch_checksum, KPATCH_CHECKSUM);
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
MODULE_DESCRIPTION(KPATCH_DESCRIPTION);

#endif /* _KPATCH_GLUE_H */
