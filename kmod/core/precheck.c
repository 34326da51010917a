// SPDX-License-Identifier: GPL-2.0-only
/*
 * precheck.c - the first look at all stacks, with the machine running
 */
#include "core.h"
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

/* Is it asleep, with its stack, and was since it had switched so often? */
static bool kp_sleeps_since(const struct task_struct *task, unsigned long switches)
{
	return !task_is_running(task) && !kp_task_on_cpu(task) && kp_task_has_stack(task) &&
	       switches == kp_task_switches(task);
}

static void kp_look_at_sleepers(struct kp_inuse *inuse)
{
	struct task_struct *process, *task;
	struct kp_stack stack = { .inuse = inuse };

	rcu_read_lock();
	for_each_process_thread(process, task) {
		unsigned long switches = kp_task_switches(task);
		int err = -EAGAIN;

		if (!kp_task_has_stack(task))
			continue;
		if (!kp_task_on_cpu(task))
			err = kp_stack_walk(task, &stack);
		if (!err)
			continue;
		kp_ran_suspect(task);
		if (err != -EAGAIN && kp_sleeps_since(task, switches))
			kp_inuse_note(inuse, task, &stack);
	}
	rcu_read_unlock();
}

/**
 * kp_precheck() - is it worth to stop the machine?
 * @inuse:	what must not be in use
 *
 * A task asleep in a function need not stop the machine to be found. Tasks
 * that run, and those whose stacks change while they are looked at, are left
 * to the second look, with the machine stopped; all are where the stack of a
 * task that exits meanwhile does not stay readable under RCU.
 *
 * Return: 0: yes; -EBUSY: no, the blockers are noted; KP_BY_CALLER.
 */
int kp_precheck(struct kp_inuse *inuse)
{
	struct kp_stack stack = { .inuse = inuse };

	inuse->nr_blockers = 0;
	if (kp_stacks_stay())
		kp_look_at_sleepers(inuse);
	if (kp_stack_walk(current, &stack) == -EBUSY) {
		if (!inuse->nr_blockers)
			return KP_BY_CALLER;
		kp_inuse_note(inuse, current, &stack);
	}
	if (!inuse->nr_blockers)
		return 0;
	kp_refuse_inuse(inuse);
	return -EBUSY;
}
