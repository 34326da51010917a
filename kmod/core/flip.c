// SPDX-License-Identifier: GPL-2.0-only
/*
 * flip.c - the moment of the switch
 *
 * Every switch of every hook has two states, and kpatch_slot says which one of
 * the two holds, for all. While the machine is stopped the states not in force
 * are written, then kpatch_slot: that one store switches everything on every
 * CPU. An NMI meanwhile reads either all old states or all new ones.
 *
 * A task that was preempted between reading kpatch_slot and following it is
 * seen by the stack check (its return address is in the old function or its
 * address is in a trampoline) unless what it follows does not change.
 *
 * Who runs when the machine is stopped: on each CPU its stopper thread, which
 * is asked on that CPU. All other tasks have been switched out; of them only
 * those that ran since the first look are asked (ran.c). The idle tasks have
 * been switched out, too: each in schedule_idle(), the only place where it may be.
 * Hence one of them, init_task, answers for all.
 */
#include "core.h"
#include <linux/cpu.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>

unsigned int kpatch_slot;
EXPORT_SYMBOL_GPL(kpatch_slot);

/**
 * struct kp_flip - a switch, while the machine is stopped
 * @inuse:	what must not be in use
 * @lock:	for the blockers in @inuse
 * @arrived:	CPUs that came
 * @asked:	CPUs that have asked their stopper thread
 * @err:	0: done
 * @pause_ns:	time that it took
 */
struct kp_flip {
	struct kp_inuse *inuse;
	raw_spinlock_t lock;
	atomic_t arrived;
	atomic_t asked;
	int err;
	u64 pause_ns;
};

/* Ask the stopper thread of this CPU. */
static void kp_ask_current(struct kp_flip *flip)
{
	struct kp_stack stack = { .inuse = flip->inuse };

	if (!kp_stack_walk(current, &stack))
		return;
	raw_spin_lock(&flip->lock);
	kp_inuse_note(flip->inuse, current, &stack);
	raw_spin_unlock(&flip->lock);
}

/*
 * The idle tasks. While CPU 0 is offline, which is possible until 6.5, its idle
 * task stays where it is, and answers for none.
 */
static void kp_ask_idle(struct kp_inuse *inuse)
{
	struct kp_stack stack = { .inuse = inuse };

	if (kp_task_on_cpu(&init_task))
		kp_inuse_note(inuse, &init_task, &stack);
	else
		kp_inuse_task(inuse, &init_task);
}

static void kp_ask_others(struct kp_inuse *inuse)
{
	struct task_struct *process, *task;

	kp_ask_idle(inuse);
	if (kp_ran_ask(inuse))
		return;
	rcu_read_lock();
	for_each_process_thread(process, task)
		kp_inuse_task(inuse, task);
	rcu_read_unlock();
}

static void kp_store_hook(struct kp_hook *hook, unsigned int slot)
{
	struct kp_func *func = kp_hook_top(hook, true);

	WRITE_ONCE(hook->target[slot], func ? func->new_addr : 0);
	if (!hook->direct)
		return;
	list_for_each_entry(func, &hook->funcs, stack_node)
		kp_trampoline_set(func, slot, func->next_live);
}

/**
 * kp_store_idle() - switch a hook that nobody can be at
 * @hook:	of a function in a module that is coming or going
 */
void kp_store_idle(struct kp_hook *hook)
{
	kp_store_hook(hook, 0);
	kp_store_hook(hook, 1);
}

/* Write all states that are not in force, then put them in force. */
static void kp_store(void)
{
	unsigned int slot = !kpatch_slot;
	struct kp_hook *hook;

	list_for_each_entry(hook, &kp_hooks, node)
		kp_store_hook(hook, slot);
	/* After the states; who reads the new number must find them written. */
	smp_store_release(&kpatch_slot, slot);
}

/* On every CPU, interrupts off. The first one that comes leads. */
static int kp_flip_cpu(void *data)
{
	struct kp_flip *flip = data;
	bool leader = atomic_inc_return(&flip->arrived) == 1;
	u64 start = ktime_get_mono_fast_ns();

	kp_ask_current(flip);
	/* Who leads sees what the others noted. */
	smp_mb__before_atomic();
	atomic_inc(&flip->asked);
	if (!leader)
		return 0;
	while (atomic_read_acquire(&flip->asked) < num_online_cpus())
		cpu_relax();
	kp_ask_others(flip->inuse);
	flip->err = flip->inuse->nr_blockers ? -EBUSY : 0;
	if (!flip->err)
		kp_store();
	flip->pause_ns = ktime_get_mono_fast_ns() - start;
	return 0;
}

static int kp_stop_and_flip(struct kp_flip *flip)
{
	int err;

	flip->inuse->nr_blockers = 0;
	err = kp_fault() ? -ENOMEM : stop_machine(kp_flip_cpu, flip, cpu_online_mask);
	if (!err)
		err = flip->err;
	if (flip->inuse->nr_blockers)
		kp_refuse_inuse(flip->inuse);
	return err;
}

/**
 * kp_flip() - switch everything to what kp_plan() decided
 * @patch:	on whose behalf, for the time of the pause
 * @inuse:	what must not be in use
 *
 * Return: 0; -EBUSY: in use, nothing was changed, the blockers are noted.
 */
int kp_flip(struct kp_patch *patch, struct kp_inuse *inuse)
{
	struct kp_flip flip = {
		.inuse = inuse,
		.lock = __RAW_SPIN_LOCK_UNLOCKED(flip.lock),
	};
	int err;

	kp_ran_start();
	err = kp_precheck(inuse);
	if (!err) {
		err = kp_stop_and_flip(&flip);
		WRITE_ONCE(patch->pause_ns, flip.pause_ns);
	}
	kp_ran_stop();
	return err;
}
