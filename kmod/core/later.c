// SPDX-License-Identifier: GPL-2.0-only
/*
 * later.c - switches that nobody but their own caller is in the way of
 *
 * Who writes to "enabled" is inside of ksys_write(), vfs_write() and more, who
 * loads a patch is inside of do_init_module(). A patch of such a function could
 * never be switched by them. So the call is answered, and a worker makes the
 * switch when the caller has left. A task that comes in the way meanwhile is
 * waited for, but not for ever; then the patch stays as it was, and
 * last_refusal tells.
 *
 * There is one at most. Any later wish for the same patch takes its place.
 */
#include "core.h"
#include <linux/jiffies.h>
#include <linux/workqueue.h>

#define KP_LATER_PAUSE	(HZ / 20)
#define KP_LATER_LIMIT	(10 * HZ)

static struct kp_patch *kp_later_patch;
static unsigned long kp_later_end;

static void kp_later_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(kp_later_work, kp_later_fn);

static int kp_later_try(struct kp_patch *patch)
{
	int err = patch->later == KP_LATER_ON ? kp_enable(patch) : kp_disable(patch);

	if (err != KP_BY_CALLER)
		return err;
	kp_refuse_reason("in use by whoever asks for it, and by the worker that would do it later");
	return -EBUSY;
}

static void kp_later_fn(struct work_struct *work)
{
	struct kp_patch *patch;
	int err;

	mutex_lock(&kp_mutex);
	patch = kp_later_patch;
	if (!patch)
		goto out;
	kp_refuse_begin(patch->mod->name);
	err = kp_later_try(patch);
	if (err == -EBUSY && time_before(jiffies, kp_later_end)) {
		schedule_delayed_work(&kp_later_work, KP_LATER_PAUSE);
		goto out;
	}
	kp_refuse_end(err);
	kp_later_forget(patch);
out:
	mutex_unlock(&kp_mutex);
}

/**
 * kp_later() - have a patch switched when current has left
 * @patch:	registered
 * @on:		to be enabled
 *
 * Return: 0, or -EBUSY with the cause noted: there is one waiting already.
 */
int kp_later(struct kp_patch *patch, bool on)
{
	if (kp_later_patch) {
		kp_refuse_reason("in use by the task that asks for it, and the same is true of %s",
				 kp_later_patch->mod->name);
		return -EBUSY;
	}
	pr_notice("%s: %s (pid %d), who asks for it, is in the way: it is done when that has left\n",
		  patch->mod->name, current->comm, current->pid);
	kp_later_patch = patch;
	kp_later_end = jiffies + KP_LATER_LIMIT;
	WRITE_ONCE(patch->later, on ? KP_LATER_ON : KP_LATER_OFF);
	schedule_delayed_work(&kp_later_work, KP_LATER_PAUSE);
	return 0;
}

/**
 * kp_later_before() - the patch that waits to be enabled before this one
 * @patch:	to be enabled now
 *
 * Were it enabled later, it would be above @patch, which was wanted after it.
 */
const struct kp_patch *kp_later_before(const struct kp_patch *patch)
{
	const struct kp_patch *waiting = kp_later_patch;

	return waiting && waiting != patch && waiting->later == KP_LATER_ON ? waiting : NULL;
}

/**
 * kp_later_forget() - what was to be done later is not to be done
 * @patch:	any
 */
void kp_later_forget(struct kp_patch *patch)
{
	if (kp_later_patch != patch)
		return;
	kp_later_patch = NULL;
	WRITE_ONCE(patch->later, KP_LATER_NOT);
}

/* No patch is there. */
void kp_later_exit(void)
{
	cancel_delayed_work_sync(&kp_later_work);
}
