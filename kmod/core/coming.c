// SPDX-License-Identifier: GPL-2.0-only
/*
 * coming.c - modules that come and go under enabled patches
 *
 * A coming module is patched before its first instruction runs, a going one
 * is let go after its last. Nobody is in its functions then, so
 * there is no question to ask of the stacks and no machine to stop: both
 * states of every switch are simply written.
 *
 * The notifier is called by the module loader, which holds no lock that is
 * taken under kp_mutex. What is done under kp_mutex must not wait for a module
 * to load or go.
 */
#include "core.h"
#include <linux/notifier.h>
#include <linux/spinlock.h>

/* All objects that are modules, so that other modules need not wait for kp_mutex. */
static LIST_HEAD(kp_watched);
static DEFINE_SPINLOCK(kp_watched_lock);

/**
 * kp_watch() - have the object's module announced
 * @object:	with its name
 *
 * Before the object's module is looked for: either that finds it coming, or
 * its announcement finds the object.
 */
void kp_watch(struct kp_object *object)
{
	spin_lock(&kp_watched_lock);
	list_add(&object->watch_node, &kp_watched);
	spin_unlock(&kp_watched_lock);
}

void kp_unwatch(struct kp_object *object)
{
	spin_lock(&kp_watched_lock);
	list_del_init(&object->watch_node);
	spin_unlock(&kp_watched_lock);
}

static bool kp_is_watched(const char *name)
{
	struct kp_object *object;
	bool found = false;

	spin_lock(&kp_watched_lock);
	list_for_each_entry(object, &kp_watched, watch_node)
		found |= !strcmp(object->api.name, name);
	spin_unlock(&kp_watched_lock);
	return found;
}

/* The part of a patch that is attached to @mod, or NULL. */
static struct kp_object *kp_attached(const struct kp_patch *patch, const struct module *mod)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		if (object->api.mod == mod)
			return object;
	return NULL;
}

/* The part of an enabled patch that @mod comes for, or NULL. */
static struct kp_object *kp_wanted(const struct kp_patch *patch, const struct module *mod)
{
	struct kp_object *object;

	if (patch->state != KP_ENABLED)
		return NULL;
	kp_for_each_object(patch, object)
		if (!object->present && !strcmp(object->api.name, mod->name))
			return object;
	return NULL;
}

/* Nobody is at the hooks of @mod: switch them without a flip. */
static void kp_switch_idle(const struct module *mod, bool live)
{
	struct kp_object *object;
	struct kp_patch *patch;
	struct kp_func *func;

	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_attached(patch, mod);
		if (object)
			kp_for_each_func(object, func)
				func->next_live = live;
	}
	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_attached(patch, mod);
		if (!object)
			continue;
		kp_for_each_func(object, func) {
			if (func->hook)
				kp_store_idle(func->hook);
			func->live = live;
		}
	}
}

static void kp_release(const struct module *mod)
{
	struct kp_object *object;
	struct kp_patch *patch;

	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_attached(patch, mod);
		if (!object)
			continue;
		kp_disarm_object(object);
		kp_post_unpatch(object);
		kp_detach_target(object);
	}
	/* ftrace forgets the module's functions when it goes. */
	kp_drain();
}

static int kp_apply(struct kp_object *object, struct module *mod)
{
	int err;

	err = kp_attach_target(object, mod);
	if (!err)
		err = kp_link_object(object);
	if (!err)
		err = kp_arm_object(object);
	if (!err)
		err = kp_pre_patch(object);
	return err;
}

static int kp_apply_all(struct module *mod)
{
	struct kp_object *object;
	struct kp_patch *patch;
	int err;

	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_wanted(patch, mod);
		if (!object)
			continue;
		kp_refuse_begin(patch->mod->name);
		err = kp_refuse_end(kp_apply(object, mod));
		if (err) {
			pr_err("module %s is refused: patch %s cannot be applied to it\n",
			       mod->name, patch->mod->name);
			return err;
		}
	}
	return 0;
}

static int kp_come(struct module *mod)
{
	struct kp_object *object;
	struct kp_patch *patch;
	int err;

	err = kp_apply_all(mod);
	if (err) {
		kp_release(mod);
		return err;
	}
	kp_switch_idle(mod, true);
	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_attached(patch, mod);
		if (!object)
			continue;
		kp_post_patch(object);
		pr_notice("patch %s applied to module %s\n", patch->mod->name, mod->name);
	}
	return 0;
}

/* Cannot fail. */
static void kp_go(struct module *mod)
{
	struct kp_object *object;
	struct kp_patch *patch;

	list_for_each_entry(patch, &kp_patches, node) {
		object = kp_attached(patch, mod);
		if (object)
			kp_pre_unpatch(object);
	}
	kp_switch_idle(mod, false);
	kp_release(mod);
}

static int kp_module_notify(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;
	int err = 0;

	if ((state != MODULE_STATE_COMING && state != MODULE_STATE_GOING) ||
	    !kp_is_watched(mod->name))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING) {
		err = kp_lock_for_module(mod);
		if (err)
			return notifier_from_errno(err);
		err = kp_come(mod);
	} else {
		/* Its hooks go now. A task that does not let this end holds up nobody else. */
		kp_synchronize_tasks();
		mutex_lock(&kp_mutex);
		kp_go(mod);
	}
	mutex_unlock(&kp_mutex);
	return notifier_from_errno(err);
}

static struct notifier_block kp_module_nb = {
	.notifier_call = kp_module_notify,
};

int kp_coming_init(void)
{
	return register_module_notifier(&kp_module_nb);
}

void kp_coming_exit(void)
{
	unregister_module_notifier(&kp_module_nb);
}
