/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * testpatch.h - what kpatch-build writes into a patch module, written by hand
 *
 * facts.h comes from a boot of the kernel under test: FACT_RELEASE,
 * FACT_VERSION, FACT_BUILD_ID (bytes), FACT_NOTES_DELTA (from vprintk),
 * FACT_NOTES_LEN, and of each function FACT_DELTA_<name> and FACT_SIZE_<name>.
 */
#ifndef _TESTPATCH_H
#define _TESTPATCH_H

#include <linux/kernel.h>
#include <linux/module.h>
#include "kpatch-patch.h"
#include "facts.h"

#define ADDRESS(x)	((unsigned long)(x))

#ifndef TEST_FLAGS
#define TEST_FLAGS	0
#endif
#ifndef TEST_RELEASE
#define TEST_RELEASE	FACT_RELEASE
#endif
#ifndef TEST_VERSION
#define TEST_VERSION	FACT_VERSION
#endif
#ifndef TEST_BUILD_ID
#define TEST_BUILD_ID	FACT_BUILD_ID
#endif
#ifndef TEST_NOTES_DELTA
#define TEST_NOTES_DELTA FACT_NOTES_DELTA
#endif

/* A new function with room of its own, so that its size is known here. */
#ifndef NEW_SIZE
#define NEW_SIZE	64
#endif
#define __new(nr)	noinline __used __aligned(NEW_SIZE) __section(".text.new_" #nr)

/* An old function, anchored to an exported symbol as kpatch-build does it. */
#define OLD(name)	(ADDRESS(&vprintk) + FACT_DELTA_##name)

/* The alias that a trampoline jumps to; nr counts as in FUNCS. */
#define NEW(nr, name)	asm(".globl kpatch_new_" #nr "\n.set kpatch_new_" #nr ", " #name)

#define FUNC(old, new)								\
	{									\
		.new_addr = ADDRESS(new), .old_addr = OLD(old),		\
		.name = ADDRESS(#old), .objname = ADDRESS("vmlinux"),		\
		.new_size = NEW_SIZE, .old_size = FACT_SIZE_##old,		\
	}

#define FUNCS(...)								\
	const struct kpatch_patch_func kpatch_funcs[] __used			\
		__section(".kpatch.funcs") = { __VA_ARGS__ };			\
	asm(".globl kpatch_funcs_end\n"						\
	    ".set kpatch_funcs_end, kpatch_funcs + 56 * " __stringify(KPATCH_NR_FUNCS))

#define CALLBACK(kind, fn)							\
	const struct kpatch_patch_callback kpatch_callbacks_##kind[] __used	\
		__section(".kpatch.callbacks." #kind) =				\
		{ { ADDRESS(fn), ADDRESS("vmlinux") } };			\
	asm(".globl kpatch_callbacks_" #kind "_end\n"				\
	    ".set kpatch_callbacks_" #kind "_end, kpatch_callbacks_" #kind " + 16")

/* An empty table, with its bounds. */
#define NO_TABLE(section, name)							\
	asm(".pushsection " section ", \"a\"\n"				\
	    ".globl kpatch_" name ", kpatch_" name "_end\n"			\
	    "kpatch_" name ":\nkpatch_" name "_end:\n"				\
	    ".popsection")

#define NO_CALLBACK(kind) NO_TABLE(".kpatch.callbacks." #kind, "callbacks_" #kind)

#define NO_CALLBACKS								\
	NO_CALLBACK(pre_patch);							\
	NO_CALLBACK(post_patch);						\
	NO_CALLBACK(pre_unpatch);						\
	NO_CALLBACK(post_unpatch)

#ifndef TEST_MODULES
NO_TABLE(".kpatch.relocs", "relocs");
NO_TABLE(".kpatch.objects", "objects");
#endif

static const u8 test_build_id[] = { TEST_BUILD_ID };

const struct kpatch_patch_build kpatch_build_info __used __section(".kpatch.build") = {
	.release = ADDRESS(TEST_RELEASE),
	.version = ADDRESS(TEST_VERSION),
	.build_id = ADDRESS(test_build_id),
	.build_id_len = sizeof(test_build_id),
	.notes_start = ADDRESS(&vprintk) + TEST_NOTES_DELTA,
	.notes_len = FACT_NOTES_LEN,
};

const unsigned int kpatch_flags __used __section(".kpatch.build") = TEST_FLAGS;

#endif /* _TESTPATCH_H */
