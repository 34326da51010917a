/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kpatch-verify.h - believe nothing that stands in a patch module's sections
 *
 * For the core module and for the glue of livepatch modules, which has no core
 * module to ask. Whatever is wrong is refused with its name before anything is
 * touched. All reads through addresses from a section are guarded.
 *
 * Who includes this has kp_refuse_reason(fmt, ...), which notes the cause.
 */
#ifndef _KPATCH_VERIFY_H
#define _KPATCH_VERIFY_H

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include "kpatch-module.h"
#include "kpatch-patch.h"

/* More than any real patch has; a bound for damaged section sizes. */
#define KPATCH_MAX_FUNCS	4096
#define KPATCH_MAX_RELOCS	65536
#define KPATCH_MAX_SIZE		(1U << 20)
#define KPATCH_MAX_NOTES	(1U << 16)

/*
 * kallsyms knows no sizes: what it shows is the distance to the next symbol.
 * Padding up to the next function is smaller than this on every config.
 */
#define KPATCH_MAX_PADDING	64

/**
 * kpatch_verify_string() - is there a string of this module?
 * @mod:	the patch module
 * @addr:	where it should be
 * @max:	longest length without the NUL
 * @what:	for the message
 *
 * Return: 0 if @addr leads to a NUL-terminated string of 1..@max characters
 * inside the memory that @mod keeps, -EINVAL otherwise.
 */
static inline int kpatch_verify_string(const struct module *mod, u64 addr, size_t max,
				       const char *what)
{
	size_t len;
	char c;

	for (len = 0; len <= max; len++) {
		if (!kpatch_in_module(mod, addr + len, 1) ||
		    copy_from_kernel_nofault(&c, (void *)(unsigned long)(addr + len), 1))
			break;
		if (!c && len)
			return 0;
		if (!c)
			break;
	}
	kp_refuse_reason("corrupt metadata: %s is no string of the module", what);
	return -EINVAL;
}

/* What a patch says of a module, NULL if nothing. */
static inline const struct kpatch_patch_object *
kpatch_find_object(const struct kpatch_patch *api, const char *name)
{
	const struct kpatch_patch_object *each;

	for (each = api->objects; each < api->objects_end; each++)
		if (!strcmp((char *)(unsigned long)each->name, name))
			return each;
	return NULL;
}

/* Is there a description of the function's object, and no address if that is a module? */
static inline int kpatch_verify_func_object(const struct kpatch_patch *api,
					    const struct kpatch_patch_func *disk)
{
	const char *name = (char *)(unsigned long)disk->name;
	const char *objname = (char *)(unsigned long)disk->objname;

	if (!strcmp(objname, "vmlinux"))
		return 0;
	if (!kpatch_find_object(api, objname)) {
		kp_refuse_reason("corrupt metadata: function %s is in module %s, which .kpatch.objects lacks",
				 name, objname);
		return -EINVAL;
	}
	if (disk->old_addr) {
		kp_refuse_reason("corrupt metadata: function %s of module %s has an address",
				 name, objname);
		return -EINVAL;
	}
	return 0;
}

static inline int kpatch_verify_func(const struct kpatch_patch *api,
				     const struct kpatch_patch_func *disk)
{
	unsigned int nr = disk - api->funcs;
	bool part = disk->flags & KPATCH_FUNC_PART;
	int err;

	err = kpatch_verify_string(api->mod, disk->name, KSYM_NAME_LEN - 1,
				   "a function's name");
	if (!err)
		err = kpatch_verify_string(api->mod, disk->objname, MODULE_NAME_LEN - 1,
					   "a function's object name");
	if (err)
		return err;
	if (strchr((char *)(unsigned long)disk->name, '/') ||
	    strchr((char *)(unsigned long)disk->objname, '/')) {
		kp_refuse_reason("corrupt metadata: function %u has a '/' in its name", nr);
		return -EINVAL;
	}
	if (!disk->old_size || disk->old_size > KPATCH_MAX_SIZE ||
	    disk->new_size > KPATCH_MAX_SIZE ||
	    (!disk->new_size && !(part && !disk->new_addr))) {
		kp_refuse_reason("corrupt metadata: function %s has sizes %u and %u",
				 (char *)(unsigned long)disk->name, disk->old_size, disk->new_size);
		return -EINVAL;
	}
	if (disk->new_size && !kpatch_in_text(api->mod, disk->new_addr, disk->new_size)) {
		kp_refuse_reason("corrupt metadata: new function %s is not in the patch module's text",
				 (char *)(unsigned long)disk->name);
		return -EINVAL;
	}
	if (disk->reserved || disk->flags & ~(KPATCH_FUNC_FORCE | KPATCH_FUNC_PART)) {
		kp_refuse_reason("function %s wants something that is not known here",
				 (char *)(unsigned long)disk->name);
		return -EINVAL;
	}
	return kpatch_verify_func_object(api, disk);
}

static inline int kpatch_verify_table(const struct module *mod, const void *start, const void *end,
				      size_t entry, size_t max, const char *what)
{
	unsigned long size = (unsigned long)end - (unsigned long)start;

	if (start == end)
		return 0;
	if (end < start || size % entry || size / entry > max ||
	    !kpatch_in_module(mod, (unsigned long)start, size)) {
		kp_refuse_reason("corrupt metadata: %s has a size of %ld bytes", what, (long)size);
		return -EINVAL;
	}
	return 0;
}

/* One of each kind: with several it would not be told whose pre_patch has run. */
static inline bool kpatch_is_second(const struct kpatch_patch *api, int kind,
				    const struct kpatch_patch_callback *callback)
{
	const struct kpatch_patch_callback *each;

	for (each = api->callbacks[kind]; each < callback; each++)
		if (!strcmp((const char *)(unsigned long)each->objname,
			    (const char *)(unsigned long)callback->objname))
			return true;
	return false;
}

static inline int kpatch_verify_callbacks(const struct kpatch_patch *api)
{
	const struct kpatch_patch_callback *each;
	int kind, err;

	for (kind = 0; kind < KPATCH_NR_CALLBACKS; kind++) {
		err = kpatch_verify_table(api->mod, api->callbacks[kind], api->callbacks_end[kind],
					  sizeof(*each), KPATCH_MAX_FUNCS, "a section of callbacks");
		if (err)
			return err;
		for (each = api->callbacks[kind]; each < api->callbacks_end[kind]; each++) {
			err = kpatch_verify_string(api->mod, each->objname, MODULE_NAME_LEN - 1,
						   "a callback's object name");
			if (err)
				return err;
			if (!kpatch_in_text(api->mod, each->fn, 1)) {
				kp_refuse_reason("corrupt metadata: a callback is not in the patch module's text");
				return -EINVAL;
			}
			if (kpatch_is_second(api, kind, each)) {
				kp_refuse_reason("corrupt metadata: two callbacks of a kind for %s",
						 (const char *)(unsigned long)each->objname);
				return -EINVAL;
			}
		}
	}
	return 0;
}

static inline int kpatch_verify_object(const struct kpatch_patch *api,
				       const struct kpatch_patch_object *disk)
{
	int err = kpatch_verify_string(api->mod, disk->name, MODULE_NAME_LEN - 1,
				       "an object's name");

	if (err)
		return err;
	if (!disk->build_id_len || disk->build_id_len > KPATCH_MAX_BUILD_ID ||
	    !kpatch_in_module(api->mod, disk->build_id, disk->build_id_len)) {
		kp_refuse_reason("corrupt metadata: build-id of %u bytes for module %s",
				 disk->build_id_len, (char *)(unsigned long)disk->name);
		return -EINVAL;
	}
	if (disk->flags || disk->reserved) {
		kp_refuse_reason("module %s wants something that is not known here",
				 (char *)(unsigned long)disk->name);
		return -EINVAL;
	}
	return 0;
}

static inline int kpatch_verify_objects(const struct kpatch_patch *api)
{
	const struct kpatch_patch_object *disk;
	int err;

	err = kpatch_verify_table(api->mod, api->objects, api->objects_end, sizeof(*disk),
				  KPATCH_MAX_FUNCS, ".kpatch.objects");
	for (disk = api->objects; !err && disk < api->objects_end; disk++)
		err = kpatch_verify_object(api, disk);
	return err;
}

static inline int kpatch_verify_reloc_strings(const struct kpatch_patch *api)
{
	const struct kpatch_patch_reloc *reloc;
	int err;

	err = kpatch_verify_table(api->mod, api->relocs, api->relocs_end, sizeof(*reloc),
				  KPATCH_MAX_RELOCS, ".kpatch.relocs");
	for (reloc = api->relocs; !err && reloc < api->relocs_end; reloc++) {
		err = kpatch_verify_string(api->mod, reloc->symbol, KSYM_NAME_LEN - 1,
					   "a relocation's symbol");
		if (!err)
			err = kpatch_verify_string(api->mod, reloc->objname, MODULE_NAME_LEN - 1,
						   "a relocation's object name");
		if (!err)
			err = kpatch_verify_string(api->mod, reloc->symobj, MODULE_NAME_LEN - 1,
						   "a relocation's object name");
	}
	return err;
}

/**
 * kpatch_verify_sections() - are the sections of a patch module what they must be?
 * @api:	as its glue describes it
 *
 * Return: 0, or -EINVAL with the cause noted.
 */
static inline int kpatch_verify_sections(const struct kpatch_patch *api)
{
	const struct kpatch_patch_func *disk;
	int err;

	err = kpatch_verify_table(api->mod, api->funcs, api->funcs_end, sizeof(*disk),
				  KPATCH_MAX_FUNCS, ".kpatch.funcs");
	if (err)
		return err;
	if (api->funcs == api->funcs_end) {
		kp_refuse_reason("corrupt metadata: the patch has no functions");
		return -EINVAL;
	}
	if (api->flags & ~KPATCH_FLAG_REPLACE) {
		kp_refuse_reason("the patch has flags %#x that are not known here", api->flags);
		return -EINVAL;
	}
	err = kpatch_verify_objects(api);
	if (!err)
		err = kpatch_verify_reloc_strings(api);
	if (err)
		return err;
	for (disk = api->funcs; disk < api->funcs_end; disk++) {
		err = kpatch_verify_func(api, disk);
		if (err)
			return err;
	}
	return kpatch_verify_callbacks(api);
}

/* The description of the note NT_GNU_BUILD_ID in @notes, NULL if there is none. */
static inline const u8 *kpatch_find_build_id(const u8 *notes, u32 len, u32 *id_len)
{
	const u32 nt_gnu_build_id = 3;
	u32 head[3], name, desc;
	u32 at = 0;

	while (len - at >= sizeof(head)) {
		memcpy(head, notes + at, sizeof(head));
		at += sizeof(head);
		if (head[0] > len || head[1] > len)
			break;
		name = at;
		desc = name + ALIGN(head[0], 4);
		at = desc + ALIGN(head[1], 4);
		if (desc > len || at > len)
			break;
		if (head[2] == nt_gnu_build_id && head[0] == 4 && !memcmp(notes + name, "GNU", 4)) {
			*id_len = head[1];
			return notes + desc;
		}
	}
	return NULL;
}

static inline int kpatch_compare_build_id(const u8 *want, u32 want_len,
					  const u8 *notes, u32 notes_len)
{
	u32 len = 0;
	const u8 *id = kpatch_find_build_id(notes, notes_len, &len);

	if (!id) {
		kp_refuse_reason("no build-id where the kernel of the patch has it: another build of this release");
		return -ENOEXEC;
	}
	if (len == want_len && !memcmp(id, want, len))
		return 0;
	kp_refuse_reason("built for the kernel with build-id %*phN, this one has %*phN",
			 (int)want_len, want, (int)min_t(u32, len, KPATCH_MAX_BUILD_ID), id);
	return -ENOEXEC;
}

static inline int kpatch_verify_build_id(const struct module *mod,
					 const struct kpatch_patch_build *build)
{
	u8 want[KPATCH_MAX_BUILD_ID];
	u8 *notes;
	int err = -ENOEXEC;

	if (!build->build_id || !build->notes_start)
		return 0;
	if (!build->build_id_len || build->build_id_len > sizeof(want) ||
	    build->notes_len < 16 || build->notes_len > KPATCH_MAX_NOTES ||
	    !kpatch_in_module(mod, build->build_id, build->build_id_len)) {
		kp_refuse_reason("corrupt metadata: build-id of %u bytes in notes of %u bytes",
				 build->build_id_len, build->notes_len);
		return -EINVAL;
	}
	memcpy(want, (void *)(unsigned long)build->build_id, build->build_id_len);
	notes = kmalloc(build->notes_len, GFP_KERNEL);
	if (!notes)
		return -ENOMEM;
	if (copy_from_kernel_nofault(notes, (void *)(unsigned long)build->notes_start,
				     build->notes_len))
		kp_refuse_reason("no notes where the kernel of the patch has them: another build of this release");
	else
		err = kpatch_compare_build_id(want, build->build_id_len, notes, build->notes_len);
	kfree(notes);
	return err;
}

/**
 * kpatch_verify_build() - was the patch made for exactly this kernel?
 * @api:	as its glue describes it
 *
 * Every address in the patch is an exported symbol plus a constant of one
 * kernel image (docs/module-format.md), so nothing less will do.
 *
 * Return: 0, -ENOEXEC for another kernel, -EINVAL for damaged metadata.
 */
static inline int kpatch_verify_build(const struct kpatch_patch *api)
{
	const struct kpatch_patch_build *build = api->build;
	const struct new_utsname *uts = &init_uts_ns.name;
	const char *release, *version;
	int err;

	if (!kpatch_in_module(api->mod, (unsigned long)build, sizeof(*build))) {
		kp_refuse_reason("corrupt metadata: .kpatch.build is not in the module");
		return -EINVAL;
	}
	err = kpatch_verify_string(api->mod, build->release, __NEW_UTS_LEN, "the kernel release");
	if (!err)
		err = kpatch_verify_string(api->mod, build->version, __NEW_UTS_LEN,
					   "the kernel version");
	if (err)
		return err;
	release = (const char *)(unsigned long)build->release;
	version = (const char *)(unsigned long)build->version;
	if (strcmp(release, uts->release)) {
		kp_refuse_reason("built for kernel %s, this is %s", release, uts->release);
		return -ENOEXEC;
	}
	if (strcmp(version, uts->version)) {
		kp_refuse_reason("built for kernel %s %s, this is %s %s", release, version,
				 uts->release, uts->version);
		return -ENOEXEC;
	}
	return kpatch_verify_build_id(api->mod, build);
}

/**
 * kpatch_verify_target() - is a module the build that the patch was made for?
 * @api:	the patch, verified
 * @mod:	coming or live, and cannot go
 *
 * Return: 0, or -ENOEXEC with the cause noted.
 */
static inline int kpatch_verify_target(const struct kpatch_patch *api, const struct module *mod)
{
	const struct kpatch_patch_object *disk = kpatch_find_object(api, mod->name);
	const u8 *id = (const u8 *)(unsigned long)disk->build_id;

	if (kpatch_has_build_id(mod, id, disk->build_id_len))
		return 0;
	kp_refuse_reason("module %s is another build: the patch is for the one with build-id %*phN",
			 mod->name, (int)disk->build_id_len, id);
	return -ENOEXEC;
}

/**
 * kpatch_is_fill() - is it linker fill between a function and the next symbol?
 * @addr:	end of the function
 * @size:	bytes up to the next symbol
 */
static inline bool kpatch_is_fill(unsigned long addr, unsigned long size)
{
	u8 bytes[16];

	if (size <= KPATCH_MAX_PADDING)
		return true;
	if (copy_from_kernel_nofault(bytes, (void *)(addr + KPATCH_MAX_PADDING - sizeof(bytes)),
				     sizeof(bytes)))
		return false;
	return (bytes[0] == 0xcc || bytes[0] == 0x90 || !bytes[0]) &&
	       !memchr_inv(bytes, bytes[0], sizeof(bytes));
}

#endif /* _KPATCH_VERIFY_H */
