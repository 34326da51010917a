/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - one spelling for what kernels spell differently
 *
 * KP_HAVE_* are set by Kbuild, which looks into the kernel's headers: features
 * are backported, so version numbers tell nothing.
 */
#ifndef _KPATCH_COMPAT_H
#define _KPATCH_COMPAT_H

#include <linux/ftrace.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

/* Direct calls with an ftrace_ops of one's own; called _multi at first. */
#if !defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)
#define KP_DIRECT_OPS 0
#elif defined(KP_HAVE_DIRECT_OPS)
#define KP_DIRECT_OPS 1
#define kp_register_direct(ops, addr)	register_ftrace_direct(ops, addr)
#define kp_modify_direct(ops, addr)	modify_ftrace_direct(ops, addr)
#define kp_unregister_direct(ops, addr)	unregister_ftrace_direct(ops, addr, false)
#elif defined(KP_HAVE_DIRECT_MULTI)
#define KP_DIRECT_OPS 1
#define kp_register_direct(ops, addr)	register_ftrace_direct_multi(ops, addr)
#define kp_modify_direct(ops, addr)	modify_ftrace_direct_multi(ops, addr)
#define kp_unregister_direct(ops, addr)	unregister_ftrace_direct_multi(ops, addr)
#else
#define KP_DIRECT_OPS 0
#endif

/*
 * All registers are saved for the handler only where the instruction pointer
 * cannot be changed otherwise.
 */
#ifdef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#define KP_FTRACE_OPS_REGS	0
#else
#define KP_FTRACE_OPS_REGS	FTRACE_OPS_FL_SAVE_REGS
#endif

/* Where handlers are taken for unsafe unless they say so, those of nested calls may be left out. */
#ifdef KP_HAVE_RECURSION_SAFE
#define KP_FTRACE_OPS_SAFE	FTRACE_OPS_FL_RECURSION_SAFE
#else
#define KP_FTRACE_OPS_SAFE	0
#endif

/* PERMANENT: kernel.ftrace_enabled stays 1. */
#define KP_FTRACE_OPS_FLAGS	(FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT |	\
				 KP_FTRACE_OPS_REGS | KP_FTRACE_OPS_SAFE)

#ifndef KP_HAVE_FTRACE_REGS
#define ftrace_regs		pt_regs
#define kp_ftrace_set_ip(regs, ip)	instruction_pointer_set(regs, ip)
#elif defined(KP_HAVE_FTRACE_REGS_SET_IP)
#define kp_ftrace_set_ip(fregs, ip)	ftrace_regs_set_instruction_pointer(fregs, ip)
#else
#define kp_ftrace_set_ip(fregs, ip)	ftrace_instruction_pointer_set(fregs, ip)
#endif

/* Its prototype came to say const late; nobody writes to a type. */
static inline void kp_kobject_init(struct kobject *kobj, const struct kobj_type *type)
{
	kobject_init(kobj, (struct kobj_type *)type);
}

/*
 * Wait until everybody has left text that nothing leads to any more, as ftrace
 * waits for its own: interrupts too, where RCU does not watch, and then tasks
 * that were preempted in it.
 */
static inline void kp_synchronize_tasks(void)
{
#ifdef CONFIG_TASKS_RUDE_RCU
	synchronize_rcu_tasks_rude();
#endif
#ifdef CONFIG_TASKS_RCU
	synchronize_rcu_tasks();
#else
	synchronize_rcu();
#endif
}

/* Arguments of a sched_switch probe. */
#ifdef KP_HAVE_SCHED_SWITCH_STATE
#define KP_SCHED_SWITCH_ARGS	void *unused, bool preempt, struct task_struct *prev,	\
				struct task_struct *next, unsigned int prev_state
#else
#define KP_SCHED_SWITCH_ARGS	void *unused, bool preempt, struct task_struct *prev,	\
				struct task_struct *next
#endif

#ifndef task_is_running
#define task_is_running(task)	(READ_ONCE((task)->state) == TASK_RUNNING)
#endif

/* On a CPU, or just being taken off it. */
static inline bool kp_task_on_cpu(const struct task_struct *task)
{
#ifdef CONFIG_SMP
	/* Pairs with finish_task(): after 0 the saved stack pointer is the task's last. */
	return smp_load_acquire(&task->on_cpu);
#else
	return task == current;
#endif
}

/* A zombie has none, once it is off its CPU for the last time. */
static inline bool kp_task_has_stack(const struct task_struct *task)
{
#ifdef CONFIG_THREAD_INFO_IN_TASK
	return refcount_read(&task->stack_refcount);
#else
	return true;
#endif
}

/*
 * Whether the stack of a task that exits stays readable under RCU: since 5.18
 * (kernel/fork.c), with exit_task_stack_account(). Before it may be unmapped at
 * once, so stacks are looked at while the machine is stopped, and only then.
 */
static inline bool kp_stacks_stay(void)
{
#ifdef KP_HAVE_STACKS_UNDER_RCU
	return true;
#else
	return false;
#endif
}

/*
 * A task that may run, in a function with a return hook (kretprobe, fprobe):
 * its return address is not told, and 6.1 warns of who asks for it.
 */
static inline bool kp_task_hides_return(struct task_struct *task)
{
#ifdef CONFIG_RETHOOK
	return task != current && task_is_running(task) && READ_ONCE(task->rethooks.first);
#else
	return false;
#endif
}

static inline unsigned long kp_task_switches(const struct task_struct *task)
{
	return READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
}

#endif /* _KPATCH_COMPAT_H */
