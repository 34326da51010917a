// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.c - the modules that a patch is for
 *
 * Such a module is there when the patch is enabled, or comes later, or never.
 * While it is there its part of the patch is attached: the build is the right
 * one, the functions are found, the references of the new code are written.
 */
#include "core.h"
#include <linux/elf.h>
#include <linux/rculist.h>

static struct list_head *kp_next_node(struct list_head *node)
{
	return rcu_dereference(list_next_rcu(node));
}

/* The list's head is no module: it is in the kernel's own data. */
static bool kp_is_module_node(const struct list_head *node)
{
	return (unsigned long)node >= MODULES_VADDR && (unsigned long)node < MODULES_END;
}

/* In any state, or NULL; find_module() is not exported. Under RCU. */
static struct module *kp_find_module(const char *name)
{
	struct list_head *own = &THIS_MODULE->list, *node;

	for (node = kp_next_node(own); node != own; node = kp_next_node(node)) {
		struct module *mod = list_entry(node, struct module, list);

		if (kp_is_module_node(node) && !strcmp(mod->name, name))
			return mod;
	}
	return NULL;
}

/**
 * kp_module_get() - find a module that is live, and keep it
 * @name:	its name
 *
 * Return: the module, to be given back by module_put(); NULL if there is none
 * or it is going; ERR_PTR(-EBUSY) while it is being loaded: it may have been
 * announced to us already, so it must be live before anything is done to it.
 */
struct module *kp_module_get(const char *name)
{
	enum module_state state;
	struct module *mod;

	rcu_read_lock();
	mod = kp_find_module(name);
	state = mod ? READ_ONCE(mod->state) : MODULE_STATE_GOING;
	if (state == MODULE_STATE_COMING) {
		kp_refuse_reason("module %s is being loaded, try again", name);
		mod = ERR_PTR(-EBUSY);
	} else if (state != MODULE_STATE_LIVE || !try_module_get(mod)) {
		mod = NULL;
	}
	rcu_read_unlock();
	return mod;
}

static int kp_find_func(struct kp_func *func, const struct module *mod)
{
	const Elf_Sym *symbol = kp_symbol_find(mod, func->name, func->sympos);

	if (IS_ERR(symbol))
		return PTR_ERR(symbol);
	if (symbol->st_size != func->old_size) {
		kp_refuse_reason("function %s has %lu bytes in module %s, the patch is for one of %u",
				 func->name, (unsigned long)symbol->st_size, mod->name,
				 func->old_size);
		return -EINVAL;
	}
	if (!kpatch_in_text(mod, symbol->st_value, symbol->st_size)) {
		kp_refuse_reason("%s is no function of module %s", func->name, mod->name);
		return -EINVAL;
	}
	func->old_addr = symbol->st_value;
	return 0;
}

static int kp_find_funcs(struct kp_object *object)
{
	struct kp_func *func;
	int err;

	kp_for_each_func(object, func) {
		err = kp_find_func(func, object->api.mod);
		if (!err)
			err = kp_verify_once(func);
		if (err)
			return err;
	}
	return 0;
}

/**
 * kp_attach_target() - make the part of a patch that is for a module ready
 * @object:	not attached
 * @mod:	coming or live, and cannot go
 *
 * Return: 0, or an error with the cause noted; kp_detach_target() undoes what
 * was done.
 */
int kp_attach_target(struct kp_object *object, struct module *mod)
{
	int err;

	object->api.mod = mod;
	err = kp_fault() ? -ENOMEM : kp_verify_target(object->patch->api, mod);
	if (!err)
		err = kp_find_funcs(object);
	if (!err)
		err = kp_relocate(object);
	object->present = !err;
	return err;
}

/**
 * kp_detach_target() - forget a module
 * @object:	has no hooks
 */
void kp_detach_target(struct kp_object *object)
{
	struct kp_func *func;

	if (!strcmp(object->api.name, KP_VMLINUX))
		return;
	object->present = false;
	object->api.mod = NULL;
	kp_for_each_func(object, func)
		func->old_addr = 0;
}

/**
 * kp_get_targets() - attach all modules of a patch that are there
 * @patch:	disabled
 *
 * They cannot go until kp_put_targets(), which is needed after an error, too.
 */
int kp_get_targets(struct kp_patch *patch)
{
	struct kp_object *object;
	struct module *mod;
	int err;

	kp_for_each_object(patch, object) {
		if (!strcmp(object->api.name, KP_VMLINUX))
			continue;
		mod = kp_module_get(object->api.name);
		if (IS_ERR(mod))
			return PTR_ERR(mod);
		err = mod ? kp_attach_target(object, mod) : 0;
		if (err)
			return err;
	}
	return 0;
}

void kp_put_targets(struct kp_patch *patch)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		if (object->api.mod)
			module_put(object->api.mod);
}

/**
 * kp_forget_targets() - detach all modules of a patch
 * @patch:	without hooks
 *
 * Nobody tells a patch that is not enabled which modules come and go.
 */
void kp_forget_targets(struct kp_patch *patch)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		kp_detach_target(object);
}
