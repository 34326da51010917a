// SPDX-License-Identifier: GPL-2.0-only
/*
 * hook.c - catch the calls of an old function
 *
 * Linking puts the replacements of a patch on top of the hooks of their old
 * functions; the kernel does not know of it yet. Arming makes the calls of all
 * these functions pass by here, on the way to where they went before.
 * kp_flip() makes the replacements live.
 *
 * Disarming takes them off again. For each hook that goes ftrace waits until
 * nobody is on the way any more, which takes as long as the slowest task; so
 * hooks that are left without replacements stay until kp_drain_work comes to
 * them. They change nothing, and serve a patch that comes before.
 *
 * A hook is a direct call to a trampoline of the patch where that is possible
 * (direct.c), else an ftrace_ops that changes the instruction pointer.
 */
#include "core.h"
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <asm/ftrace.h>

#define KP_REGISTER_TRIES	10

LIST_HEAD(kp_hooks);

static void kp_drain_fn(struct work_struct *work);
static DECLARE_WORK(kp_drain_work, kp_drain_fn);

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

/*
 * BPF, which may share the function, says -EAGAIN after a millisecond while one
 * of its trampolines is being changed.
 */
static int kp_register_ops(struct ftrace_ops *ops)
{
	int err, tries = KP_REGISTER_TRIES;

	do {
		err = register_ftrace_function(ops);
	} while (err == -EAGAIN && --tries);
	return err;
}

static int kp_ops_attach(struct kp_hook *hook)
{
	int err;

	hook->ops.func = kp_ops_handler;
	hook->ops.flags = KP_FTRACE_OPS_FLAGS;
	err = ftrace_set_filter_ip(&hook->ops, hook->old_addr, 0, 0);
	if (err) {
		kp_refuse_reason("function %s cannot be redirected: it has no fentry call",
				 hook->name);
		return -EOPNOTSUPP;
	}
	err = kp_register_ops(&hook->ops);
	if (err) {
		if (err == -EBUSY)
			kp_refuse_reason("function %s is redirected by somebody else (livepatch? BPF before 6.0?), or kernel.ftrace_enabled is 0",
					 hook->name);
		else
			kp_refuse_reason("function %s cannot be hooked%s", hook->name,
					 err == -EAGAIN ? ": BPF programs are being attached" : "");
		ftrace_set_filter_ip(&hook->ops, hook->old_addr, 1, 0);
	}
	return err == -EAGAIN ? -EBUSY : err;
}

/*
 * Is there a call at the fentry site? ftrace says yes even when it is off. The
 * site is known to be there: at the function's start, or behind an ENDBR, which
 * may be sealed, hence a nop of any kind. When it is at the start and off, its
 * last byte, the one at 4, is 0 (P6_NOP5). A breakpoint is there while somebody
 * changes the call to another one; ftrace turns it off only under the lock that
 * was passed.
 */
static bool kp_is_called(unsigned long old_addr)
{
	const u8 call = 0xe8, breakpoint = 0xcc;
	u8 code[5];

	if (copy_from_kernel_nofault(code, (void *)old_addr, sizeof(code)))
		return false;
	return code[0] == call || code[4] == call || code[0] == breakpoint || code[4] == breakpoint;
}

/*
 * kernel.ftrace_enabled=0 looks whether an ops is PERMANENT and takes all calls
 * away, both under a lock of ftrace. Who takes this lock after an ops has become
 * PERMANENT finds the calls gone, or never to go.
 */
static int kp_pass_ftrace_lock(unsigned long ip)
{
	static struct ftrace_ops ops;	/* is never registered */
	int err;

	err = ftrace_set_filter_ip(&ops, ip, 0, 0);
	return err ?: ftrace_set_filter_ip(&ops, ip, 1, 0);
}

/* Returns when nobody is where the hook led to. */
static void kp_detach(struct kp_hook *hook)
{
	int err = hook->direct ? kp_direct_detach(hook) : unregister_ftrace_function(&hook->ops);

	list_del(&hook->node);
	/* Fails only when ftrace has given up; then calls come here for ever, and go on. */
	if (WARN_ON(err)) {
		kp_store_idle(hook);
		__module_get(hook->direct ? hook->owner : THIS_MODULE);
		return;
	}
	ftrace_set_filter_ip(&hook->ops, hook->old_addr, 1, 0);
	kfree(hook->name);
	kfree(hook);
}

static int kp_attach(struct kp_hook *hook, struct kp_func *func)
{
	int err;

	if (kp_fault())
		return -ENOMEM;
	if (kp_direct_possible(func)) {
		hook->direct = true;
		hook->attached = kp_trampoline(func);
		hook->owner = func->object->patch->mod;
		err = kp_direct_attach(hook);
		if (!err)
			return 0;
		hook->direct = false;
		memset(&hook->ops, 0, sizeof(hook->ops));
	}
	return kp_ops_attach(hook);
}

static int kp_check_attached(const struct kp_hook *hook)
{
	int err = kp_fault() ? -ENOMEM : kp_pass_ftrace_lock(hook->old_addr);

	if (err || kp_is_called(hook->old_addr))
		return err;
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

static bool kp_is_idle(const struct kp_hook *hook)
{
	return list_empty(&hook->funcs);
}

static struct kp_hook *kp_hook_get(const struct kp_func *func)
{
	struct kp_hook *hook = kp_find_hook(func->old_addr);

	/* What was right for the last patch may not be for this one. */
	if (hook && kp_is_idle(hook) && hook->direct != kp_direct_possible(func)) {
		kp_detach(hook);
		hook = NULL;
	}
	return hook ?: kp_hook_new(func);
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
		hook = kp_hook_get(func);
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
		return err ?: kp_check_attached(hook);
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
	/* A task may still be on its way through the trampoline that calls went to before. */
	schedule_work(&kp_drain_work);
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

static void kp_disarm_func(struct kp_func *func)
{
	struct kp_hook *hook = func->hook;

	list_del_init(&func->stack_node);
	func->hook = NULL;
	/* Nobody switches it any more, so it must be off whatever kpatch_slot will be. */
	kp_trampoline_clear(func);
	if (!hook->armed) {
		if (kp_is_idle(hook))
			kp_hook_free(hook);
		return;
	}
	/* Fails only when ftrace has given up; then the trampoline is called for ever. */
	if (!kp_is_idle(hook) && hook->direct && WARN_ON(kp_direct_relink(hook)))
		__module_get(func->object->patch->mod);
	schedule_work(&kp_drain_work);
}

/**
 * kp_disarm_object() - take the functions of an object off their hooks
 * @object:	none of its functions is live
 */
void kp_disarm_object(struct kp_object *object)
{
	struct kp_func *func;

	kp_for_each_func(object, func)
		if (func->hook)
			kp_disarm_func(func);
}

/**
 * kp_disarm() - take the functions of a patch off their hooks
 * @patch:	none of its functions is live
 *
 * A task may still be on its way through a trampoline of the patch, to the old
 * function or an older patch's, until kp_drain_wait() returns.
 */
void kp_disarm(struct kp_patch *patch)
{
	struct kp_object *object;

	kp_for_each_object(patch, object)
		kp_disarm_object(object);
}

static bool kp_drain_one(void)
{
	struct kp_hook *hook;

	list_for_each_entry(hook, &kp_hooks, node) {
		if (kp_is_idle(hook)) {
			kp_detach(hook);
			return true;
		}
	}
	return false;
}

/**
 * kp_drain() - let no hook be there that nobody uses
 *
 * Under kp_mutex; what they are at is about to go.
 */
void kp_drain(void)
{
	while (kp_drain_one())
		;
}

static void kp_drain_fn(struct work_struct *work)
{
	bool more;

	/*
	 * For trampolines that are skipped from now on, and first of all: a task that
	 * does not let this end holds up nobody who would wait for kp_mutex or ftrace.
	 */
	kp_synchronize_tasks();
	do {
		mutex_lock(&kp_mutex);
		more = kp_drain_one();
		mutex_unlock(&kp_mutex);
	} while (more);
}

/**
 * kp_drain_wait() - wait until nobody is in a trampoline that calls went to
 *
 * Calls of idle hooks still go to the trampoline of the last patch, see kp_drain().
 * Not under kp_mutex.
 */
void kp_drain_wait(void)
{
	flush_work(&kp_drain_work);
}
