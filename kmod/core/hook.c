// SPDX-License-Identifier: GPL-2.0-only
/*
 * hook.c - catch the calls of an old function
 *
 * Linking puts the replacements of a patch on top of the hooks of their old
 * functions; the kernel does not know of it yet. Arming makes the calls of all
 * these functions pass by here, on the way to where they went before; it may
 * have to wait for a grace period. kp_flip() makes the replacements live.
 *
 * A hook is a direct call to a trampoline of the patch where that is possible
 * (direct.c), else an ftrace_ops that changes the instruction pointer.
 */
#include "core.h"
#include <linux/uaccess.h>
#include <asm/ftrace.h>

LIST_HEAD(kp_hooks);

/**
 * kp_hook_top() - which replacement calls go to
 * @hook:	of an old function
 * @next:	after the switch in progress, instead of now
 *
 * Return: the newest live one, NULL for the old function.
 */
struct kp_func *kp_hook_top(const struct kp_hook *hook, bool next)
{
	struct kp_func *func;

	list_for_each_entry(func, &hook->funcs, stack_node)
		if (next ? func->next_live : func->live)
			return func;
	return NULL;
}

/*
 * Called at every call of the old function, in any context, NMI included. It
 * calls nothing, so it needs no protection against recursion.
 */
static void notrace kp_ops_handler(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct kp_hook *hook = container_of(ops, struct kp_hook, ops);
	unsigned long target = READ_ONCE(hook->target[READ_ONCE(kpatch_slot)]);

	if (target)
		kp_ftrace_set_ip(fregs, target);
}

static int kp_ops_attach(struct kp_hook *hook)
{
	int err;

	hook->ops.func = kp_ops_handler;
	hook->ops.flags = KP_FTRACE_OPS_FLAGS;
	err = ftrace_set_filter_ip(&hook->ops, hook->old_addr, 0, 0);
	if (err) {
		kp_refuse_reason("function %s cannot be redirected: it has no fentry call", hook->name);
		return -EOPNOTSUPP;
	}
	err = register_ftrace_function(&hook->ops);
	if (err) {
		kp_refuse_reason(err == -EBUSY ?
				 "function %s is redirected by somebody else (livepatch?), or kernel.ftrace_enabled is 0" :
				 "function %s cannot be hooked", hook->name);
		ftrace_set_filter_ip(&hook->ops, hook->old_addr, 1, 0);
	}
	return err;
}

static void kp_ops_detach(struct kp_hook *hook)
{
	int err = unregister_ftrace_function(&hook->ops);

	/* Cannot fail for a registered ops; if it did, the memory must stay. */
	WARN_ON(err);
	ftrace_set_filter_ip(&hook->ops, hook->old_addr, 1, 0);
}

/* Is there a call at the fentry site? ftrace says yes even when it is off. */
static bool kp_is_called(unsigned long old_addr)
{
	const u8 endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const u8 call = 0xe8;
	u8 code[9];

	if (copy_from_kernel_nofault(code, (void *)old_addr, sizeof(code)))
		return false;
	/* A sealed ENDBR is a four-byte nop: take either place. */
	return code[0] == call || (code[4] == call &&
	       (!memcmp(code, endbr64, 4) || IS_ENABLED(CONFIG_X86_KERNEL_IBT)));
}

static void kp_detach(struct kp_hook *hook)
{
	if (hook->direct)
		kp_direct_detach(hook);
	else
		kp_ops_detach(hook);
}

static int kp_attach(struct kp_hook *hook, struct kp_func *func)
{
	int err;

	if (kp_fault())
		return -ENOMEM;
	if (kp_direct_possible(func)) {
		hook->direct = true;
		hook->attached = kp_trampoline(func);
		err = kp_direct_attach(hook);
		if (!err)
			goto check;
		hook->direct = false;
		memset(&hook->ops, 0, sizeof(hook->ops));
	}
	err = kp_ops_attach(hook);
	if (err)
		return err;
check:
	if (kp_is_called(hook->old_addr))
		return 0;
	kp_detach(hook);
	kp_refuse_reason("function %s was hooked, but no call is there: is kernel.ftrace_enabled 0?",
			 hook->name);
	return -EBUSY;
}

static struct kp_hook *kp_find_hook(unsigned long old_addr)
{
	struct kp_hook *hook;

	list_for_each_entry(hook, &kp_hooks, node)
		if (hook->old_addr == old_addr)
			return hook;
	return NULL;
}

static struct kp_hook *kp_hook_new(const struct kp_func *func)
{
	struct kp_hook *hook = kp_fault() ? NULL : kzalloc(sizeof(*hook), GFP_KERNEL);

	if (!hook)
		return NULL;
	hook->name = kstrdup(func->name, GFP_KERNEL);
	if (!hook->name) {
		kfree(hook);
		return NULL;
	}
	hook->old_addr = func->old_addr;
	INIT_LIST_HEAD(&hook->funcs);
	list_add_tail(&hook->node, &kp_hooks);
	return hook;
}

static void kp_hook_free(struct kp_hook *hook)
{
	list_del(&hook->node);
	kfree(hook->name);
	kfree(hook);
}

/* Is this a function of a patch that calls can be led to now? */
static bool kp_is_redirected(const struct kp_func *func)
{
	return func->object->present && !(func->flags & KPATCH_FUNC_PART);
}

/**
 * kp_link_object() - put the functions of an object on top of their hooks
 * @object:	of a patch that is about to be enabled, or whose module comes
 *
 * Return: 0 or -ENOMEM; kp_disarm_object() undoes what was done.
 */
int kp_link_object(struct kp_object *object)
{
	struct kp_func *func;
	struct kp_hook *hook;

	kp_for_each_func(object, func) {
		if (!kp_is_redirected(func))
			continue;
		hook = kp_find_hook(func->old_addr) ?: kp_hook_new(func);
		if (!hook)
			return -ENOMEM;
		/* Switches have been made since it was linked last. */
		kp_trampoline_clear(func);
		list_add(&func->stack_node, &hook->funcs);
		func->hook = hook;
	}
	return 0;
}

/**
 * kp_link() - kp_link_object() for all that is there
 * @patch:	about to be enabled
 */
int kp_link(struct kp_patch *patch)
{
	struct kp_object *object;
	int err;

	kp_for_each_object(patch, object) {
		err = kp_link_object(object);
		if (err)
			return err;
	}
	return 0;
}

static int kp_arm_func(struct kp_func *func)
{
	struct kp_hook *hook = func->hook;
	int err;

	if (!hook->armed) {
		err = kp_attach(hook, func);
		hook->armed = !err;
		return err;
	}
	if (!hook->direct)
		return 0;
	if (!kp_direct_possible(func)) {
		kp_refuse_reason("function %s is redirected by direct call, and the patch has no trampolines",
				 func->name);
		return -EOPNOTSUPP;
	}
	err = kp_fault() ? -ENOMEM : kp_direct_relink(hook);
	if (err)
		kp_refuse_reason("function %s: its hook cannot be changed", func->name);
	return err;
}

/**
 * kp_arm_object() - let the calls of its functions pass by; none changes its way
 * @object:	linked
 *
 * Return: 0, or an error; kp_disarm_object() undoes what was done.
 */
int kp_arm_object(struct kp_object *object)
{
	struct kp_func *func;
	int err;

	kp_for_each_func(object, func) {
		err = func->hook ? kp_arm_func(func) : 0;
		if (err)
			return err;
	}
	return 0;
}

/**
 * kp_arm() - kp_arm_object() for all that is there
 * @patch:	linked
 */
int kp_arm(struct kp_patch *patch)
{
	struct kp_object *object;
	int err;

	kp_for_each_object(patch, object) {
		err = kp_arm_object(object);
		if (err)
			return err;
	}
	return 0;
}

/* Return: true: trampolines of the patch may still be running. */
static bool kp_disarm_func(struct kp_func *func)
{
	struct kp_hook *hook = func->hook;

	list_del_init(&func->stack_node);
	func->hook = NULL;
	if (!list_empty(&hook->funcs)) {
		if (!hook->armed || !hook->direct)
			return false;
		WARN_ON(kp_direct_relink(hook));
		return true;
	}
	/* ftrace waits by itself until nobody is where an ops led to. */
	if (hook->armed)
		kp_detach(hook);
	kp_hook_free(hook);
	return false;
}

/**
 * kp_disarm_object() - take the functions of an object off their hooks
 * @object:	none of its functions is live
 *
 * Return: true: a task may still be in a trampoline of the patch.
 */
bool kp_disarm_object(struct kp_object *object)
{
	struct kp_func *func;
	bool direct = false;

	kp_for_each_func(object, func)
		if (func->hook)
			direct |= kp_disarm_func(func);
	return direct;
}

/**
 * kp_disarm() - take the functions of a patch off their hooks
 * @patch:	none of its functions is live
 *
 * When it returns no task is in a trampoline or a handler of the patch.
 */
void kp_disarm(struct kp_patch *patch)
{
	struct kp_object *object;
	bool direct = false;

	kp_for_each_object(patch, object)
		direct |= kp_disarm_object(object);
	/* A trampoline that is skipped from now on is ours to wait for, once for all. */
	if (direct)
		kp_synchronize_tasks();
}
