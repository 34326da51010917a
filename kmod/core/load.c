// SPDX-License-Identifier: GPL-2.0-only
/*
 * load.c - build struct kp_patch from the sections of a verified module
 */
#include "core.h"

static struct kp_object *kp_object_get(struct kp_patch *patch, const char *name)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		if (!strcmp(object->api.name, name))
			return object;

	object = kp_fault() ? NULL : kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object)
		return NULL;
	object->patch = patch;
	object->api.name = name;
	object->present = !strcmp(name, KP_VMLINUX);
	INIT_LIST_HEAD(&object->funcs);
	kp_kobject_init(&object->kobj, &kp_object_ktype);
	kobject_get(&patch->kobj);
	list_add_tail(&object->node, &patch->objects);
	kp_watch(object);
	return object;
}

static struct kp_func *kp_func_alloc(struct kp_object *object,
				     const struct kpatch_patch_func *disk, unsigned int index)
{
	struct kp_func *func = kp_fault() ? NULL : kzalloc(sizeof(*func), GFP_KERNEL);

	if (!func)
		return NULL;
	func->object = object;
	func->name = (const char *)(unsigned long)disk->name;
	func->index = index;
	func->old_addr = disk->old_addr;
	func->new_addr = disk->new_addr;
	func->old_size = disk->old_size;
	func->new_size = disk->new_size;
	func->sympos = disk->sympos;
	func->flags = disk->flags;
	INIT_LIST_HEAD(&func->stack_node);
	kp_kobject_init(&func->kobj, &kp_func_ktype);
	kobject_get(&object->kobj);
	return func;
}

static bool kp_is_same(const struct kp_func *a, const struct kp_func *b)
{
	if (a->old_addr && a->old_addr == b->old_addr)
		return true;
	return a->sympos == b->sympos && !strcmp(a->name, b->name);
}

/**
 * kp_verify_once() - does no other entry of the patch replace the same function?
 * @func:	may be in its object's list already
 *
 * Return: 0, or -EINVAL with the cause noted.
 */
int kp_verify_once(const struct kp_func *func)
{
	const struct kp_func *each;

	kp_for_each_func(func->object, each) {
		if (each == func || !kp_is_same(each, func))
			continue;
		kp_refuse_reason("function %s,%u of %s stands twice in the patch",
				 func->name, func->sympos, func->object->api.name);
		return -EINVAL;
	}
	return 0;
}

static int kp_add_func(struct kp_patch *patch, const struct kpatch_patch_func *disk)
{
	struct kp_object *object;
	struct kp_func *func;
	int err;

	object = kp_object_get(patch, (const char *)(unsigned long)disk->objname);
	if (!object)
		return -ENOMEM;
	func = kp_func_alloc(object, disk, disk - patch->api->funcs);
	if (!func)
		return -ENOMEM;
	err = kp_verify_once(func);
	/* A function of a module is verified when it is found (target.c). */
	if (!err && object->present)
		err = kp_verify_old_func(func);
	if (err) {
		kobject_put(&func->kobj);
		return err;
	}
	list_add_tail(&func->node, &object->funcs);
	return 0;
}

/**
 * kp_load() - make the run-time description of a patch
 * @api:	verified by kp_verify_module()
 *
 * Return: the patch, disabled; or an ERR_PTR.
 */
struct kp_patch *kp_load(struct kpatch_patch *api)
{
	const struct kpatch_patch_func *disk;
	struct kp_patch *patch;
	int err = 0;

	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch)
		return ERR_PTR(-ENOMEM);
	patch->api = api;
	patch->mod = api->mod;
	patch->replace = api->flags & KPATCH_FLAG_REPLACE;
	INIT_LIST_HEAD(&patch->node);
	INIT_LIST_HEAD(&patch->objects);
	init_completion(&patch->freed);
	kp_kobject_init(&patch->kobj, &kp_patch_ktype);

	for (disk = api->funcs; !err && disk < api->funcs_end; disk++)
		err = kp_add_func(patch, disk);
	if (err) {
		kp_unload(patch);
		return ERR_PTR(err);
	}
	return patch;
}

/**
 * kp_unload() - free a patch that is not in the list any more
 * @patch:	disabled
 *
 * Not under kp_mutex: it waits for readers and writers of the sysfs files,
 * who may be waiting for kp_mutex.
 */
void kp_unload(struct kp_patch *patch)
{
	struct kp_object *object, *next_object;
	struct kp_func *func, *next_func;

	kp_sysfs_remove(patch);
	list_for_each_entry_safe(object, next_object, &patch->objects, node) {
		list_for_each_entry_safe(func, next_func, &object->funcs, node) {
			list_del(&func->node);
			kobject_put(&func->kobj);
		}
		list_del(&object->node);
		kp_unwatch(object);
		kobject_put(&object->kobj);
	}
	kobject_put(&patch->kobj);
	wait_for_completion(&patch->freed);
	kfree(patch);
}
