// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - hooks that are a direct call to a trampoline in the patch module
 *
 * The call at the old function's entry leads straight to the newest armed
 * replacement's trampoline. One that is off goes on to the one below, so the
 * order of the trampolines is the order of the hook's replacements, and the
 * first one that is on takes the call. See patch/trampolines.S.
 */
#include "core.h"
#include <linux/workqueue.h>

/**
 * kp_direct_possible() - can this replacement be called through a trampoline?
 * @func:	about to be armed
 */
bool kp_direct_possible(const struct kp_func *func)
{
	return KP_DIRECT_OPS && func->object->patch->api->trampolines.nr;
}

unsigned long kp_trampoline(const struct kp_func *func)
{
	return func->object->patch->api->trampolines.entry[func->index];
}

/**
 * kp_trampoline_set() - set one of the two switches of a trampoline
 * @func:	has a trampoline
 * @slot:	the one that is not in force, unless nobody can be there
 * @on:		calls go to the new function
 */
void kp_trampoline_set(const struct kp_func *func, unsigned int slot, bool on)
{
	WRITE_ONCE(func->object->patch->api->trampolines.on[func->index][slot], on);
}

/**
 * kp_trampoline_clear() - set both switches of a trampoline to off
 * @func:	nothing leads to its trampoline
 */
void kp_trampoline_clear(const struct kp_func *func)
{
	unsigned int slot;

	if (!func->object->patch->api->trampolines.nr)
		return;
	for (slot = 0; slot < 2; slot++)
		kp_trampoline_set(func, slot, false);
}

#if KP_DIRECT_OPS

/* Let each trampoline of the hook know the one below it. */
static void kp_link_trampolines(struct kp_hook *hook)
{
	unsigned long below = 0;
	struct kp_func *func;

	list_for_each_entry_reverse(func, &hook->funcs, stack_node) {
		WRITE_ONCE(func->object->patch->api->trampolines.below[func->index], below);
		below = kp_trampoline(func);
	}
}

/**
 * kp_direct_attach() - call @hook->attached at the entry of the old function
 * @hook:	new
 *
 * Return: 0; or an error, then an ops may still be possible.
 */
int kp_direct_attach(struct kp_hook *hook)
{
	int err;

	hook->ops.flags = FTRACE_OPS_FL_PERMANENT;
	err = ftrace_set_filter_ip(&hook->ops, hook->old_addr, 0, 0);
	if (err)
		return err;
	err = kp_fault() ? -EBUSY : kp_register_direct(&hook->ops, hook->attached);
	if (err)
		ftrace_set_filter_ip(&hook->ops, hook->old_addr, 1, 0);
	else
		/* 6.1 forgets it: with this flag kernel.ftrace_enabled stays 1. */
		hook->ops.flags |= FTRACE_OPS_FL_PERMANENT;
	return err;
}

/**
 * kp_direct_relink() - follow a change in @hook->funcs
 * @hook:	not without functions
 */
int kp_direct_relink(struct kp_hook *hook)
{
	struct kp_func *top = list_first_entry(&hook->funcs, struct kp_func, stack_node);
	unsigned long trampoline = kp_trampoline(top);
	int err;

	kp_link_trampolines(hook);
	if (hook->attached == trampoline)
		return 0;
	err = kp_modify_direct(&hook->ops, trampoline);
	if (err)
		return err;
	hook->attached = trampoline;
	hook->owner = top->object->patch->mod;
	return 0;
}

int kp_direct_detach(struct kp_hook *hook)
{
	return kp_unregister_direct(&hook->ops, hook->attached);
}

/*
 * Until 6.9 ftrace waits for a grace period of tasks when its table of direct
 * calls gets a first entry. So there is one always, of a function that nobody
 * calls; the wait for it is a worker's.
 */
static struct ftrace_ops kp_anchor_ops;
static bool kp_anchored;

static noinline __used void kp_anchor(void)
{
	barrier();
}

static void kp_anchor_fn(struct work_struct *work)
{
	if (!ftrace_set_filter_ip(&kp_anchor_ops, (unsigned long)kp_anchor, 0, 0))
		kp_anchored = !kp_register_direct(&kp_anchor_ops, (unsigned long)kp_anchor);
}

static DECLARE_WORK(kp_anchor_work, kp_anchor_fn);

void kp_direct_init(void)
{
	schedule_work(&kp_anchor_work);
}

void kp_direct_exit(void)
{
	flush_work(&kp_anchor_work);
	if (kp_anchored)
		WARN_ON(kp_unregister_direct(&kp_anchor_ops, (unsigned long)kp_anchor));
	ftrace_set_filter_ip(&kp_anchor_ops, (unsigned long)kp_anchor, 1, 0);
}

#else /* !KP_DIRECT_OPS */

int kp_direct_attach(struct kp_hook *hook)
{
	return -EOPNOTSUPP;
}

int kp_direct_relink(struct kp_hook *hook)
{
	return -EOPNOTSUPP;
}

int kp_direct_detach(struct kp_hook *hook)
{
	return -EOPNOTSUPP;
}

void kp_direct_init(void)
{
}

void kp_direct_exit(void)
{
}

#endif /* KP_DIRECT_OPS */
