// SPDX-License-Identifier: GPL-2.0-only
/*
 * callback.c - the patch author's functions around a switch
 *
 * As the kernel's livepatch has them: pre_patch may veto by returning an error;
 * post_unpatch runs for every object whose pre_patch was passed; a switch back
 * that fails after pre_unpatch calls post_patch again; a replaced patch's
 * callbacks do not run. All in process context, under kp_mutex, which is needed
 * to load a patch, or a module that one is for: they must not wait for these.
 */
#include "core.h"
#include <linux/delay.h>
#include <linux/jiffies.h>

/* How long a callback may keep a module from being loaded. */
#define KP_CALLBACK_LIMIT	(10 * HZ)

/* Whether a callback is running, and whose: a copy, for the patch may go meanwhile. */
static bool kp_in_callback;
static char kp_callback_of[MODULE_NAME_LEN];

typedef int (*kp_pre_fn)(struct kpatch_object *object);
typedef void (*kp_fn)(struct kpatch_object *object);

static void kp_callback_begins(const struct kp_object *object)
{
	strscpy(kp_callback_of, object->patch->mod->name, sizeof(kp_callback_of));
	WRITE_ONCE(kp_in_callback, true);
}

static void kp_callback_ends(void)
{
	WRITE_ONCE(kp_in_callback, false);
}

static bool kp_is_for(const struct kpatch_patch_callback *callback, const struct kp_object *object)
{
	return !strcmp((const char *)(unsigned long)callback->objname, object->api.name);
}

static void kp_call(struct kp_object *object, enum kpatch_callback_kind kind)
{
	const struct kpatch_patch *api = object->patch->api;
	const struct kpatch_patch_callback *each;

	if (!object->prepared)
		return;
	kp_callback_begins(object);
	for (each = api->callbacks[kind]; each < api->callbacks_end[kind]; each++)
		if (kp_is_for(each, object))
			((kp_fn)(unsigned long)each->fn)(&object->api);
	kp_callback_ends();
}

int kp_pre_patch(struct kp_object *object)
{
	const struct kpatch_patch *api = object->patch->api;
	const struct kpatch_patch_callback *each;
	int err;

	for (each = api->callbacks[KPATCH_PRE_PATCH];
	     each < api->callbacks_end[KPATCH_PRE_PATCH]; each++) {
		if (!kp_is_for(each, object))
			continue;
		kp_callback_begins(object);
		err = ((kp_pre_fn)(unsigned long)each->fn)(&object->api);
		kp_callback_ends();
		if (err) {
			kp_refuse_reason("pre_patch callback for %s returned %d",
					 object->api.name, err);
			return err > 0 ? -EINVAL : err;
		}
	}
	object->prepared = true;
	return 0;
}

void kp_post_patch(struct kp_object *object)
{
	kp_call(object, KPATCH_POST_PATCH);
}

void kp_pre_unpatch(struct kp_object *object)
{
	kp_call(object, KPATCH_PRE_UNPATCH);
}

void kp_post_unpatch(struct kp_object *object)
{
	kp_call(object, KPATCH_POST_UNPATCH);
	object->prepared = false;
}

/**
 * kp_lock_for_module() - take kp_mutex on behalf of a module that is being loaded
 * @mod:	its loading can still be refused
 *
 * A callback may have asked for this module, and be waiting for it.
 *
 * Return: 0; -EDEADLK when a callback has not ended for a while.
 */
int kp_lock_for_module(const struct module *mod)
{
	unsigned long end = jiffies + KP_CALLBACK_LIMIT;

	while (!mutex_trylock(&kp_mutex)) {
		if (!READ_ONCE(kp_in_callback)) {
			end = jiffies + KP_CALLBACK_LIMIT;
		} else if (time_after(jiffies, end)) {
			pr_err("module %s is refused (error %d): a callback of %s does not end, does it load that module?\n",
			       mod->name, -EDEADLK, kp_callback_of);
			return -EDEADLK;
		}
		msleep(20);
	}
	return 0;
}
