// SPDX-License-Identifier: GPL-2.0-only
/*
 * livepatch-hook.c - glue of every hot patch module for the kernel's livepatch
 *
 * Verifies the sections that the build side wrote, turns them into livepatch's
 * structures and hands these to klp_enable_patch(). All references of the new
 * code were resolved by the module loader, so there is no livepatch relocation.
 *
 * livepatch knows neither parts of functions (foo.cold) nor functions that may
 * be in use: PART entries are left out, FORCE is not looked at.
 */
#include <linux/init.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include "kpatch-glue.h"

/* Compiled once for all modules of a kernel: KBUILD_MODNAME is none of theirs. */
#define kp_refuse_reason(fmt, ...)						\
	pr_err("%s: " fmt "\n", THIS_MODULE->name, ##__VA_ARGS__)

#include "kpatch-verify.h"

#define LP_VMLINUX "vmlinux"

static struct kpatch_patch patch = { KPATCH_SECTIONS };

static struct klp_patch klp_patch = { .mod = THIS_MODULE };

/* Side by side: what livepatch knows of an object, and what callbacks are told. */
static struct klp_object *objects;
static struct kpatch_object *told;
static struct klp_func *funcs;

static const char *lp_text(u64 addr)
{
	return (const char *)(unsigned long)addr;
}

/* From @disk on, the next entry that livepatch can redirect; in @objname, or anywhere. */
static const struct kpatch_patch_func *lp_next(const struct kpatch_patch_func *disk,
					       const char *objname)
{
	for (; disk < patch.funcs_end; disk++)
		if (!(disk->flags & KPATCH_FUNC_PART) &&
		    (!objname || !strcmp(lp_text(disk->objname), objname)))
			return disk;
	return NULL;
}

#define lp_for_each_disk(disk, objname)						\
	for (disk = lp_next(patch.funcs, objname); disk; disk = lp_next(disk + 1, objname))

static bool lp_same_func(const struct kpatch_patch_func *a, const struct kpatch_patch_func *b)
{
	if (strcmp(lp_text(a->objname), lp_text(b->objname)))
		return false;
	if (a->old_addr && a->old_addr == b->old_addr)
		return true;
	/* In sysfs, 0 (unique) and 1 (the first) have the same name. */
	return !strcmp(lp_text(a->name), lp_text(b->name)) &&
	       max(a->sympos, 1U) == max(b->sympos, 1U);
}

static int lp_verify_unique(void)
{
	const struct kpatch_patch_func *disk, *other;

	lp_for_each_disk(disk, NULL) {
		for (other = lp_next(disk + 1, NULL); other; other = lp_next(other + 1, NULL)) {
			if (!lp_same_func(disk, other))
				continue;
			kp_refuse_reason("function %s,%u of %s stands twice in the patch",
					 lp_text(disk->name), disk->sympos, lp_text(disk->objname));
			return -EINVAL;
		}
	}
	return 0;
}

/* livepatch went by the name: is it the function that the patch was made for? */
static int lp_verify_found(const struct klp_func *func, const struct kpatch_patch_func *disk)
{
	unsigned long addr = (unsigned long)func->old_func;

	if (disk->old_addr && addr != disk->old_addr) {
		kp_refuse_reason("function %s is not at its address: %pS is there",
				 func->old_name, (void *)(unsigned long)disk->old_addr);
		return -EINVAL;
	}
	if (func->old_size < disk->old_size ||
	    !kpatch_is_fill(addr + disk->old_size, func->old_size - disk->old_size)) {
		kp_refuse_reason("function %s has %lu bytes here, the patch is for one of %u",
				 func->old_name, func->old_size, disk->old_size);
		return -EINVAL;
	}
	return 0;
}

static struct kpatch_object *lp_told(struct klp_object *object)
{
	struct kpatch_object *api = &told[object - objects];

	api->mod = object->mod;
	return api;
}

static void lp_call(struct klp_object *object, enum kpatch_callback_kind kind)
{
	const struct kpatch_patch_callback *each;
	struct kpatch_object *api = lp_told(object);

	for (each = patch.callbacks[kind]; each < patch.callbacks_end[kind]; each++)
		if (!strcmp(lp_text(each->objname), api->name))
			((void (*)(struct kpatch_object *))(unsigned long)each->fn)(api);
}

static int lp_pre_patch(struct klp_object *object)
{
	struct kpatch_object *api = lp_told(object);
	const struct kpatch_patch_callback *each;
	const struct kpatch_patch_func *disk;
	struct klp_func *func = object->funcs;
	int err;

	err = object->mod ? kpatch_verify_target(&patch, object->mod) : 0;
	if (err)
		return err;
	lp_for_each_disk(disk, api->name) {
		err = lp_verify_found(func++, disk);
		if (err)
			return err;
	}
	for (each = patch.callbacks[KPATCH_PRE_PATCH];
	     each < patch.callbacks_end[KPATCH_PRE_PATCH]; each++) {
		if (strcmp(lp_text(each->objname), api->name))
			continue;
		err = ((int (*)(struct kpatch_object *))(unsigned long)each->fn)(api);
		if (err)
			return err > 0 ? -EINVAL : err;
	}
	return 0;
}

static void lp_post_patch(struct klp_object *object)
{
	lp_call(object, KPATCH_POST_PATCH);
}

static void lp_pre_unpatch(struct klp_object *object)
{
	lp_call(object, KPATCH_PRE_UNPATCH);
}

static void lp_post_unpatch(struct klp_object *object)
{
	lp_call(object, KPATCH_POST_UNPATCH);
}

static void lp_free(void)
{
	kvfree(funcs);
	kvfree(told);
	kvfree(objects);
}

/* Each object has at least one function, and behind its functions an empty one. */
static int lp_alloc(void)
{
	size_t nr = patch.funcs_end - patch.funcs;

	objects = kvcalloc(nr + 1, sizeof(*objects), GFP_KERNEL);
	told = kvcalloc(nr, sizeof(*told), GFP_KERNEL);
	funcs = kvcalloc(2 * nr, sizeof(*funcs), GFP_KERNEL);
	return objects && told && funcs ? 0 : -ENOMEM;
}

/* Describe the object number @nr; its functions start at @func. Returns the next free one. */
static struct klp_func *lp_add_object(unsigned int nr, const char *name, struct klp_func *func)
{
	struct klp_object *object = &objects[nr];
	const struct kpatch_patch_func *disk;

	told[nr].name = name;
	object->name = strcmp(name, LP_VMLINUX) ? name : NULL;
	object->funcs = func;
	object->callbacks.pre_patch = lp_pre_patch;
	object->callbacks.post_patch = lp_post_patch;
	object->callbacks.pre_unpatch = lp_pre_unpatch;
	object->callbacks.post_unpatch = lp_post_unpatch;
	lp_for_each_disk(disk, name) {
		func->old_name = lp_text(disk->name);
		func->new_func = (void *)(unsigned long)disk->new_addr;
		func->old_sympos = disk->sympos;
		func++;
	}
	return func + 1;
}

static bool lp_has_object(unsigned int nr, const char *name)
{
	while (nr--)
		if (!strcmp(told[nr].name, name))
			return true;
	return false;
}

static int lp_describe(void)
{
	const struct kpatch_patch_func *disk;
	struct klp_func *func = funcs;
	unsigned int nr = 0;

	lp_for_each_disk(disk, NULL)
		if (!lp_has_object(nr, lp_text(disk->objname)))
			func = lp_add_object(nr++, lp_text(disk->objname), func);
	if (!nr) {
		kp_refuse_reason("corrupt metadata: the patch has only parts of functions");
		return -EINVAL;
	}
	klp_patch.objs = objects;
	klp_patch.replace = patch.flags & KPATCH_FLAG_REPLACE;
	return 0;
}

/* livepatch resolves relocations of its own kind only, in sections that are not written. */
static int lp_verify_no_relocs(void)
{
	if (patch.relocs == patch.relocs_end)
		return 0;
	kp_refuse_reason("new code refers to %s of module %s: that takes the core module",
			 lp_text(patch.relocs->symbol), lp_text(patch.relocs->symobj));
	return -EOPNOTSUPP;
}

static int lp_enable(void)
{
	int err = klp_enable_patch(&klp_patch);

	if (err == -EBUSY)
		kp_refuse_reason("livepatch refuses the patch: somebody else redirects a function (kpatch?), or a transition is going on (%d)",
				 err);
	else if (err)
		kp_refuse_reason("livepatch refuses the patch: its own message tells why (%d)",
				 err);
	return err;
}

static int __init kpatch_patch_init(void)
{
	int err;

	patch.flags = kpatch_flags;
	err = kpatch_verify_sections(&patch);
	if (!err)
		err = kpatch_verify_build(&patch);
	if (!err)
		err = lp_verify_unique();
	if (!err)
		err = lp_verify_no_relocs();
	if (err)
		return err;

	err = lp_alloc();
	if (!err)
		err = lp_describe();
	if (!err)
		err = lp_enable();
	if (err)
		lp_free();
	return err;
}
module_init(kpatch_patch_init);

/* livepatch holds the module until it has let go of everything in it. */
static void __exit kpatch_patch_exit(void)
{
	lp_free();
}
module_exit(kpatch_patch_exit);

MODULE_INFO(livepatch, "Y");
MODULE_INFO(kpatch_interface, "livepatch");
