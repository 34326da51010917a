// SPDX-License-Identifier: GPL-2.0-only
/*
 * core.c - registration of hot patches, and what enabling and disabling mean
 *
 * A patch is switched in two phases. First, after a look at the stacks of all
 * sleeping tasks, its hooks are armed: every old function's fentry site leads
 * to us, where the call goes on to wherever it went before. Then the machine
 * is stopped for a moment, the stacks are checked, and one store switches
 * every function on every CPU (flip.c). Whatever fails before that store
 * leaves the kernel as it was.
 *
 * States of a patch:
 *
 *   state        calls go to      hooks    patch module   leads to
 *   ------------ ---------------- -------- -------------- ----------------------
 *   DISABLED     old or an older  none     rmmod works    ENABLED, gone
 *   ENABLED      new              armed    referenced     DISABLED, REPLACED
 *   REPLACED     the replacing    none     rmmod works    ENABLED, gone
 *                patch's or old
 *
 * A replaced patch that is enabled again and has KPATCH_FLAG_REPLACE replaces
 * the patch that replaced it: a way back.
 *
 * On the same function the patch that was enabled last wins.
 */
#include "core.h"

/* Protects everything that hangs on kp_patches and kp_hooks, and serialises switches. */
DEFINE_MUTEX(kp_mutex);
LIST_HEAD(kp_patches);
struct kobject *kp_root;

#ifdef KPATCH_FAULTS
static int kp_fail_step;
module_param_named(fail_step, kp_fail_step, int, 0644);
MODULE_PARM_DESC(fail_step, "for tests: the n-th step from now that can fail fails, and all after it; then -1");

bool kp_fault(void)
{
	if (kp_fail_step > 0 && !--kp_fail_step)
		kp_fail_step = -1;
	return kp_fail_step < 0;
}
#endif

bool kp_is_registered(const struct kp_patch *patch)
{
	const struct kp_patch *each;

	list_for_each_entry(each, &kp_patches, node)
		if (each == patch)
			return true;
	return false;
}

/* Decide what every patch and every function will be after the switch. */
static void kp_plan(struct kp_patch *patch, bool on)
{
	struct kp_patch *each;
	struct kp_object *object;
	struct kp_func *func;

	list_for_each_entry(each, &kp_patches, node) {
		each->next_on = each->state == KP_ENABLED;
		if (each == patch)
			each->next_on = on;
		else if (on && patch->replace)
			each->next_on = false;
		kp_for_each_object(each, object)
			kp_for_each_func(object, func)
				func->next_live = each->next_on && object->present;
	}
}

/* The store was done: make it the present. Hooks no longer needed go. */
static void kp_commit(struct kp_patch *patch)
{
	struct kp_patch *each;
	struct kp_object *object;
	struct kp_func *func;

	list_for_each_entry(each, &kp_patches, node) {
		bool leaves = each->state == KP_ENABLED && !each->next_on;

		kp_for_each_object(each, object) {
			kp_for_each_func(object, func)
				func->live = func->next_live;
			if (leaves && each != patch)
				object->prepared = false;
		}
		if (!leaves) {
			each->state = each->next_on ? KP_ENABLED : each->state;
			continue;
		}
		each->state = each == patch ? KP_DISABLED : KP_REPLACED;
		kp_disarm(each);
		if (each != patch)
			kp_forget_targets(each);
		module_put(each->mod);
		pr_notice("patch %s %s\n", each->mod->name,
			  each == patch ? "disabled" : "replaced");
	}
}

static int kp_prepare(struct kp_patch *patch)
{
	struct kp_object *object;
	int err;

	kp_for_each_object(patch, object) {
		if (!object->present)
			continue;
		err = kp_pre_patch(object);
		if (err)
			return err;
	}
	return 0;
}

static void kp_unprepare(struct kp_patch *patch)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		kp_post_unpatch(object);
}

/*
 * From "in use?" to the store; the functions are linked. Most refusals come
 * before anything was armed, and cost nothing but a walk over the stacks.
 */
static int kp_switch_on(struct kp_patch *patch)
{
	struct kp_inuse *inuse = kp_inuse_alloc();
	int err;

	if (!inuse)
		return -ENOMEM;
	err = kp_precheck(inuse);
	if (!err)
		err = kp_arm(patch);
	if (err)
		goto out;
	err = kp_prepare(patch);
	if (!err)
		err = kp_flip(patch, inuse);
	if (err)
		kp_unprepare(patch);
out:
	kp_inuse_free(inuse);
	return err;
}

/* All modules of the patch that are there are attached. */
static int kp_enable_present(struct kp_patch *patch)
{
	struct kp_object *object;
	int err;

	kp_plan(patch, true);
	err = kp_link(patch);
	if (!err)
		err = kp_switch_on(patch);
	if (err) {
		kp_disarm(patch);
		return err;
	}
	kp_commit(patch);
	pr_notice("patch %s enabled\n", patch->mod->name);
	kp_for_each_object(patch, object)
		kp_post_patch(object);
	return 0;
}

/* Return: 0, an error with the cause noted, or KP_BY_CALLER. */
int kp_enable(struct kp_patch *patch)
{
	int err;

	if (patch->state == KP_ENABLED)
		return 0;
	if (!try_module_get(patch->mod)) {
		kp_refuse_reason("module %s is being unloaded", patch->mod->name);
		return -ENODEV;
	}
	/* The order of the list is the order of enabling. */
	list_move_tail(&patch->node, &kp_patches);
	err = kp_get_targets(patch);
	if (!err)
		err = kp_enable_present(patch);
	kp_put_targets(patch);
	if (err) {
		kp_forget_targets(patch);
		module_put(patch->mod);
	}
	return err;
}

/* Return: as kp_enable(). */
int kp_disable(struct kp_patch *patch)
{
	struct kp_object *object;
	struct kp_inuse *inuse;
	int err;

	if (patch->state != KP_ENABLED)
		return 0;
	kp_plan(patch, false);
	inuse = kp_inuse_alloc();
	if (!inuse)
		return -ENOMEM;
	err = kp_precheck(inuse);
	if (err)
		goto out;
	kp_for_each_object(patch, object)
		kp_pre_unpatch(object);
	err = kp_flip(patch, inuse);
	if (err) {
		/* The patch stays; its owner hears it as livepatch tells it. */
		kp_for_each_object(patch, object)
			kp_post_patch(object);
		goto out;
	}
	kp_commit(patch);
	kp_unprepare(patch);
	kp_forget_targets(patch);
out:
	kp_inuse_free(inuse);
	return err;
}

/**
 * kp_switch() - enable or disable a patch, now or as soon as current has left
 * @patch:	registered
 * @on:		enable
 *
 * Return: 0, or an error with the cause noted.
 */
int kp_switch(struct kp_patch *patch, bool on)
{
	const struct kp_patch *before = on ? kp_later_before(patch) : NULL;
	int err;

	if (before) {
		kp_refuse_reason("%s, asked for earlier, is still to be enabled: try again",
				 before->mod->name);
		return -EBUSY;
	}
	kp_later_forget(patch);
	err = on ? kp_enable(patch) : kp_disable(patch);
	return err == KP_BY_CALLER ? kp_later(patch, on) : err;
}

static int kp_register_locked(struct kpatch_patch *api, struct kp_patch **patchp)
{
	struct kp_patch *patch;
	int err;

	err = kp_verify_module(api);
	if (!err)
		err = kp_verify_build(api);
	if (err)
		return err;
	patch = kp_load(api);
	if (IS_ERR(patch))
		return PTR_ERR(patch);
	*patchp = patch;
	err = kp_sysfs_add(patch);
	if (err)
		return err;
	list_add_tail(&patch->node, &kp_patches);
	err = kp_switch(patch, true);
	if (err)
		list_del_init(&patch->node);
	return err;
}

/* Of a patch that is in no list; then its module may go. */
static void kp_forget(struct kp_patch *patch)
{
	/* What there is to wait for is mostly waited for here, where nobody else has to. */
	kp_drain_wait();
	/* A patch enabled meanwhile may have taken a hook over from this one. */
	mutex_lock(&kp_mutex);
	kp_drain();
	mutex_unlock(&kp_mutex);
	kp_drain_wait();
	kp_unload(patch);
}

/**
 * kpatch_register() - verify a hot patch and enable it
 * @api:	what the glue has; must live until kpatch_unregister()
 *
 * Called from module_init() of the patch module, so a refusal is the error of
 * its insmod. The patch module cannot be removed while the patch is enabled.
 * If nobody but current is in the way, it is enabled when that has left.
 *
 * Return: 0; -EBUSY when a function is in use (nothing was changed, try again);
 * -EINVAL or -ENOEXEC when the module is damaged or made for another kernel;
 * -EOPNOTSUPP when something cannot be patched on this kernel; -EDEADLK when a
 * callback of another patch does not end; -ENOMEM. The cause is in the log and
 * in /sys/kernel/kpatch/last_refusal.
 */
int kpatch_register(struct kpatch_patch *api)
{
	struct kp_patch *patch = NULL;
	int err;

	if (!api || !api->mod)
		return -EINVAL;
	err = kp_lock_for_module(api->mod);
	if (err)
		return err;
	kp_refuse_begin(api->mod->name);
	err = kp_refuse_end(kp_register_locked(api, &patch));
	mutex_unlock(&kp_mutex);
	if (err && patch)
		kp_forget(patch);
	return err;
}
EXPORT_SYMBOL_GPL(kpatch_register);

static struct kp_patch *kp_find(const struct kpatch_patch *api)
{
	struct kp_patch *patch;

	list_for_each_entry(patch, &kp_patches, node)
		if (patch->api == api)
			return patch;
	return NULL;
}

/**
 * kpatch_unregister() - forget a disabled hot patch
 * @api:	as registered
 *
 * Called from module_exit() of the patch module. An enabled patch holds a
 * reference to its module, so only a forced rmmod comes here with one; there
 * is no way to refuse any more, hence it waits until the patch is disabled.
 */
void kpatch_unregister(struct kpatch_patch *api)
{
	struct kp_patch *patch;

	mutex_lock(&kp_mutex);
	patch = kp_find(api);
	if (!patch) {
		mutex_unlock(&kp_mutex);
		return;
	}
	kp_later_forget(patch);
	for (;;) {
		kp_refuse_begin(patch->mod->name);
		if (!kp_refuse_end(kp_disable(patch)))
			break;
		pr_emerg("patch %s is in use and its module is removed by force: waiting\n",
			 patch->mod->name);
		mutex_unlock(&kp_mutex);
		schedule_timeout_uninterruptible(HZ);
		mutex_lock(&kp_mutex);
	}
	list_del_init(&patch->node);
	mutex_unlock(&kp_mutex);
	kp_forget(patch);
}
EXPORT_SYMBOL_GPL(kpatch_unregister);

static int __init kp_init(void)
{
	int err;

	err = kp_sysfs_init();
	if (err)
		return err;
	err = kp_coming_init();
	if (err) {
		kp_sysfs_exit();
		return err;
	}
	kp_direct_init();
	pr_info("core module " KPATCH_VERSION "\n");
	return 0;
}
module_init(kp_init);

/* No patch can be registered: each uses our symbols, and so holds us. */
static void __exit kp_exit(void)
{
	kp_coming_exit();
	kp_sysfs_exit();
	kp_later_exit();
	kp_drain_wait();
	kp_ran_exit();
	kp_direct_exit();
	kp_shadow_exit();
}
module_exit(kp_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION(KPATCH_VERSION);
MODULE_DESCRIPTION("kpatch: hot patches for the running kernel");
