/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-patch.h - what a hot patch module and the core module agree on
 *
 * The first part describes the sections that the build side writes; it holds
 * plain integers only, so that a host program can read it too. The second part
 * is the interface of kpatch.ko, for the glue and for patch authors.
 *
 * docs/module-format.md tells who writes what, and why.
 */
#ifndef _KPATCH_PATCH_H
#define _KPATCH_PATCH_H

#include <linux/types.h>

/* modinfo "kpatch": the version of everything in this part. */
#define KPATCH_FORMAT		1

/* kpatch_patch_func.flags */
#define KPATCH_FUNC_FORCE	(1U << 0)	/* may be in use when it is replaced */
#define KPATCH_FUNC_PART	(1U << 1)	/* is checked, not redirected: foo.cold of foo */

/* kpatch_flags */
#define KPATCH_FLAG_REPLACE	(1U << 0)	/* takes the place of all earlier patches */

/**
 * struct kpatch_patch_func - one function that a patch replaces (.kpatch.funcs)
 * @new_addr:	the new function, in the patch module (relocation). 0 only for
 *		a PART that the new code no longer has.
 * @old_addr:	the old function: exported symbol + constant (relocation).
 *		0 when @objname is a module: the core looks it up.
 * @name:	symbol name as kallsyms shows it (const char *, relocation)
 * @objname:	"vmlinux", or the module's name (const char *, relocation)
 * @new_size:	bytes of the new function
 * @old_size:	bytes of the function symbol in the shipped kernel's object
 * @sympos:	1-based rank among namesakes in @objname: by address in vmlinux, in
 *		the order of the symbol table in a module; 0: unique
 * @flags:	KPATCH_FUNC_*
 * @reserved:	0
 */
struct kpatch_patch_func {
	__u64 new_addr;
	__u64 old_addr;
	__u64 name;
	__u64 objname;
	__u32 new_size;
	__u32 old_size;
	__u32 sympos;
	__u32 flags;
	__u64 reserved;
};

/**
 * struct kpatch_patch_build - the one kernel build that fits (.kpatch.build)
 * @release:	init_uts_ns release, uname -r (const char *, relocation)
 * @version:	init_uts_ns version, uname -v (const char *, relocation)
 * @build_id:	GNU build-id of vmlinux (bytes, relocation), 0: unknown
 * @notes_start: __start_notes: exported symbol + constant (relocation), 0: unknown
 * @build_id_len: bytes at @build_id
 * @notes_len:	bytes at @notes_start
 * @reserved:	0
 */
struct kpatch_patch_build {
	__u64 release;
	__u64 version;
	__u64 build_id;
	__u64 notes_start;
	__u32 build_id_len;
	__u32 notes_len;
	__u64 reserved;
};

/**
 * struct kpatch_patch_callback - one entry of .kpatch.callbacks.<kind>
 * @fn:		the function (relocation): int (*)(struct kpatch_object *) for
 *		pre_patch, void (*)(struct kpatch_object *) for the others
 * @objname:	the object that it belongs to (const char *, relocation)
 */
struct kpatch_patch_callback {
	__u64 fn;
	__u64 objname;
};

/**
 * struct kpatch_patch_reloc - a reference from new code into a module (.kpatch.relocs)
 * @place:	the bytes to write, in the patch module (relocation)
 * @objname:	the module that the new code is for: written each time when that
 *		one comes (const char *, relocation)
 * @symbol:	symbol name as kallsyms shows it (const char *, relocation)
 * @symobj:	module that has the symbol: @objname, or one that it depends on
 *		(const char *, relocation)
 * @addend:	as in the ELF relocation
 * @sympos:	1-based rank among namesakes in @symobj's symbol table, in the
 *		table's order; 0: unique
 * @type:	R_X86_64_64, _32, _32S, _PC32, _PLT32 or _PC64
 */
struct kpatch_patch_reloc {
	__u64 place;
	__u64 objname;
	__u64 symbol;
	__u64 symobj;
	__s64 addend;
	__u32 sympos;
	__u32 type;
};

/**
 * struct kpatch_patch_object - the one build of a module that fits (.kpatch.objects)
 * @name:	of the module (const char *, relocation)
 * @build_id:	GNU build-id of the shipped .ko (bytes, relocation)
 * @build_id_len: bytes at @build_id
 * @flags:	0
 * @reserved:	0
 *
 * One for each module that the patch has functions for, or whose symbols its
 * relocations name.
 */
struct kpatch_patch_object {
	__u64 name;
	__u64 build_id;
	__u32 build_id_len;
	__u32 flags;
	__u64 reserved;
};

#ifdef __KERNEL__

#include <linux/build_bug.h>
#include <linux/gfp.h>
#include <linux/module.h>

static_assert(sizeof(struct kpatch_patch_func) == 56);
static_assert(sizeof(struct kpatch_patch_build) == 48);
static_assert(sizeof(struct kpatch_patch_callback) == 16);
static_assert(sizeof(struct kpatch_patch_reloc) == 48);
static_assert(sizeof(struct kpatch_patch_object) == 32);

enum kpatch_callback_kind {
	KPATCH_PRE_PATCH,
	KPATCH_POST_PATCH,
	KPATCH_PRE_UNPATCH,
	KPATCH_POST_UNPATCH,
	KPATCH_NR_CALLBACKS,
};

/**
 * struct kpatch_object - what a callback is told
 * @name:	"vmlinux" or the module's name
 * @mod:	the module, NULL for vmlinux
 */
struct kpatch_object {
	const char *name;
	struct module *mod;
};

/**
 * struct kpatch_trampolines - the direct-call trampolines of a patch
 * @nr:		how many; one per entry of .kpatch.funcs, or 0
 * @entry:	their addresses
 * @on:		per trampoline two switches, indexed by the core's kpatch_slot:
 *		not 0 when calls go to the new function
 * @below:	per trampoline where to go when it is off: the trampoline of an
 *		older patch, or 0 for the old function
 * @start:	text of all trampolines, first byte
 * @end:	byte behind the last one
 */
struct kpatch_trampolines {
	unsigned int nr;
	const unsigned long *entry;
	u8 (*on)[2];
	unsigned long *below;
	unsigned long start;
	unsigned long end;
};

/**
 * struct kpatch_patch - a hot patch module, as its glue hands it over
 * @mod:	the module itself
 * @funcs:	.kpatch.funcs
 * @funcs_end:	behind the last one
 * @build:	.kpatch.build
 * @relocs:	.kpatch.relocs
 * @relocs_end:	behind the last one
 * @objects:	.kpatch.objects
 * @objects_end: behind the last one
 * @callbacks:	.kpatch.callbacks.<kind>, by enum kpatch_callback_kind
 * @callbacks_end: behind the last ones
 * @flags:	KPATCH_FLAG_*
 * @checksum:	of the differ's output, for sysfs; may be empty
 * @trampolines: may be empty; then calls are redirected by ftrace_ops
 */
struct kpatch_patch {
	struct module *mod;
	const struct kpatch_patch_func *funcs;
	const struct kpatch_patch_func *funcs_end;
	const struct kpatch_patch_build *build;
	const struct kpatch_patch_reloc *relocs;
	const struct kpatch_patch_reloc *relocs_end;
	const struct kpatch_patch_object *objects;
	const struct kpatch_patch_object *objects_end;
	const struct kpatch_patch_callback *callbacks[KPATCH_NR_CALLBACKS];
	const struct kpatch_patch_callback *callbacks_end[KPATCH_NR_CALLBACKS];
	unsigned int flags;
	const char *checksum;
	struct kpatch_trampolines trampolines;
};

int kpatch_register(struct kpatch_patch *patch);
void kpatch_unregister(struct kpatch_patch *patch);

/* Data attached to objects of the kernel; as klp_shadow_*() of livepatch. */
typedef int (*kpatch_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);
typedef void (*kpatch_shadow_dtor_t)(void *obj, void *shadow_data);

void *kpatch_shadow_get(void *obj, unsigned long id);
void *kpatch_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp,
			  kpatch_shadow_ctor_t ctor, void *ctor_data);
void *kpatch_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp,
				 kpatch_shadow_ctor_t ctor, void *ctor_data);
void kpatch_shadow_free(void *obj, unsigned long id, kpatch_shadow_dtor_t dtor);
void kpatch_shadow_free_all(unsigned long id, kpatch_shadow_dtor_t dtor);

/* Which of the two states of every switch holds; written under stop_machine(). */
extern unsigned int kpatch_slot;

#endif /* __KERNEL__ */
#endif /* _KPATCH_PATCH_H */
