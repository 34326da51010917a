// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory-mark.c - patch of si_meminfo(), nr_free_buffer_pages(), get_max_files()
 *
 * /proc/meminfo then tells of MARK pages. Compiled several times: MARK is the
 * number, TEST_ONE leaves the latter two alone, BAD_* damages the metadata.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/swap.h>
#include "testpatch.h"

static __new(0) void new_si_meminfo(struct sysinfo *val)
{
	val->totalram = val->freeram = MARK;
	val->sharedram = val->bufferram = 0;
	val->totalhigh = val->freehigh = 0;
	val->mem_unit = PAGE_SIZE;
}
NEW(0, new_si_meminfo);

#ifndef TEST_ONE
static __new(1) unsigned long new_nr_free_buffer_pages(void)
{
	return MARK;
}
NEW(1, new_nr_free_buffer_pages);

static __new(2) unsigned long new_get_max_files(void)
{
	return MARK;
}
NEW(2, new_get_max_files);
#endif

static const u8 data[NEW_SIZE] __used = { 0xc3 };

#if defined(BAD_NAME)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo),	\
		  .name = ADDRESS("si_meminfa"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo - 32 }
#elif defined(BAD_OFFSET)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo) + 16,	\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo }
#elif defined(BAD_SIZE)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo),	\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo + 1 }
#elif defined(BAD_ZERO)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo),	\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = 0 }
#elif defined(BAD_STRING)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo),	\
		  .name = 0xdead000000000000, .objname = ADDRESS("vmlinux"),			\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo }
#elif defined(BAD_NEW)
#define FIRST	{ .new_addr = ADDRESS(&vprintk), .old_addr = OLD(si_meminfo),		\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo }
#elif defined(BAD_NEW_DATA)
#define FIRST	{ .new_addr = ADDRESS(data), .old_addr = OLD(si_meminfo),		\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo }
#elif defined(BAD_FLAGS)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo), .old_addr = OLD(si_meminfo),	\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo, .flags = 0x80 }
#elif defined(BAD_MODULE)
#define FIRST	{ .new_addr = ADDRESS(new_si_meminfo),						\
		  .name = ADDRESS("si_meminfo"), .objname = ADDRESS("no_such_module"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_si_meminfo }
#else
#define FIRST	FUNC(si_meminfo, new_si_meminfo)
#endif

#if defined(BAD_TWICE)
FUNCS(FUNC(si_meminfo, new_si_meminfo), FUNC(si_meminfo, new_si_meminfo));
#elif defined(BAD_NOTRACE)
/* Has no fentry call: memcpy() is assembler. */
FUNCS(FUNC(si_meminfo, new_si_meminfo),
      { .new_addr = ADDRESS(new_nr_free_buffer_pages), .old_addr = OLD(memcpy),
	.name = ADDRESS("memcpy"), .objname = ADDRESS("vmlinux"),
	.new_size = NEW_SIZE, .old_size = FACT_SIZE_memcpy });
#elif defined(TEST_ONE)
FUNCS(FIRST);
#else
FUNCS(FIRST, FUNC(nr_free_buffer_pages, new_nr_free_buffer_pages), FUNC(get_max_files, new_get_max_files));
#endif

#ifdef BAD_CALLBACK
CALLBACK(pre_patch, data);
NO_CALLBACK(post_patch);
NO_CALLBACK(pre_unpatch);
NO_CALLBACK(post_unpatch);
#elif defined(BAD_CALLBACKS)
const struct kpatch_patch_callback kpatch_callbacks_pre_patch[] __used
	__section(".kpatch.callbacks.pre_patch") = {
	{ ADDRESS(new_si_meminfo), ADDRESS("vmlinux") }, { ADDRESS(new_si_meminfo), ADDRESS("vmlinux") },
};
asm(".globl kpatch_callbacks_pre_patch_end\n"
    ".set kpatch_callbacks_pre_patch_end, kpatch_callbacks_pre_patch + 32");
NO_CALLBACK(post_patch);
NO_CALLBACK(pre_unpatch);
NO_CALLBACK(post_unpatch);
#else
NO_CALLBACKS;
#endif
