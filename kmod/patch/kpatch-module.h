/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-module.h - what lies where in a loaded module
 */
#ifndef _KPATCH_MODULE_H
#define _KPATCH_MODULE_H

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define KPATCH_MAX_BUILD_ID	64

/* Of what a module keeps after init: its text, and its read-only data with the notes in it. */
struct kpatch_memory {
	unsigned long start;
	unsigned long size;
};

#ifdef for_each_mod_mem_type
static inline struct kpatch_memory kpatch_text(const struct module *mod)
{
	return (struct kpatch_memory){ (unsigned long)mod->mem[MOD_TEXT].base,
				       mod->mem[MOD_TEXT].size };
}

static inline struct kpatch_memory kpatch_rodata(const struct module *mod)
{
	return (struct kpatch_memory){ (unsigned long)mod->mem[MOD_RODATA].base,
				       mod->mem[MOD_RODATA].size };
}
#else
static inline struct kpatch_memory kpatch_text(const struct module *mod)
{
	return (struct kpatch_memory){ (unsigned long)mod->core_layout.base,
				       mod->core_layout.text_size };
}

static inline struct kpatch_memory kpatch_rodata(const struct module *mod)
{
	return (struct kpatch_memory){
		(unsigned long)mod->core_layout.base + mod->core_layout.text_size,
		mod->core_layout.ro_size - mod->core_layout.text_size,
	};
}
#endif

/* Is all of it in memory that the module keeps? That lies in pieces, of whole pages each. */
static inline bool kpatch_in_module(const struct module *mod, u64 addr, u64 size)
{
	u64 at;

	if (addr + size <= addr || !within_module_core(addr + size - 1, mod))
		return false;
	for (at = addr; at < addr + size; at += PAGE_SIZE)
		if (!within_module_core(at, mod))
			return false;
	return true;
}

static inline bool kpatch_in_text(const struct module *mod, u64 addr, u64 size)
{
	struct kpatch_memory text = kpatch_text(mod);

	return addr >= text.start && size <= text.size && addr - text.start <= text.size - size;
}

/**
 * kpatch_next_build_id() - find a build-id of a module
 * @mod:	coming or live, and cannot go
 * @after:	the last one found, or NULL
 * @len:	set to its bytes, 1 to KPATCH_MAX_BUILD_ID
 *
 * The kernel need not remember where a module's notes are; they are somewhere
 * in its read-only data, aligned to 4 bytes.
 *
 * Return: the description of a note NT_GNU_BUILD_ID; NULL: no more.
 */
static inline const u8 *kpatch_next_build_id(const struct module *mod, const u8 *after, u32 *len)
{
	const u32 nt_gnu_build_id = 3;
	struct kpatch_memory rodata = kpatch_rodata(mod);
	const u8 *at = after ?: PTR_ALIGN((const u8 *)rodata.start, 4);
	const u8 *end = (const u8 *)rodata.start + rodata.size;
	struct {
		u32 name_len, len, type;
		char name[4];
	} head;

	for (; at + sizeof(head) < end; at += 4) {
		/* Not memcpy(): what lies between objects is read, too; KASAN would report it. */
		if (copy_from_kernel_nofault(&head, at, sizeof(head)))
			return NULL;
		if (head.name_len != sizeof(head.name) || head.type != nt_gnu_build_id ||
		    memcmp(head.name, "GNU", sizeof(head.name)))
			continue;
		if (!head.len || head.len > KPATCH_MAX_BUILD_ID ||
		    head.len > end - at - sizeof(head))
			continue;
		*len = head.len;
		return at + sizeof(head);
	}
	return NULL;
}

/* Was the module made by the build with this build-id? */
static inline bool kpatch_has_build_id(const struct module *mod, const u8 *id, u32 len)
{
	const u8 *found = NULL;
	u32 found_len;

	while ((found = kpatch_next_build_id(mod, found, &found_len)))
		if (found_len == len && !memcmp(found, id, len))
			return true;
	return false;
}

#endif /* _KPATCH_MODULE_H */
