// SPDX-License-Identifier: GPL-2.0-only
/*
 * ran.c - which tasks ran since the first look at their stacks
 *
 * A task that was off the CPU when its stack was found clean, and has not run
 * since, is still clean: it need not be asked again with the machine stopped.
 * So the pause grows with what ran in between, not with the number of tasks.
 *
 * Who ran is told by the tracepoint sched_switch, at the end of each run. No
 * run is missed: when the probe is registered, all CPUs have it. A switch that
 * was past the tracepoint at that moment left the task it takes off the CPU
 * unrecorded, but until it is done that task has on_cpu set, and the first
 * look leaves such tasks to the second one (precheck.c). When the machine
 * is stopped, every task but the stopper threads is off the CPU: all runs have
 * ended, and so have been recorded. A task forked meanwhile has run, and was
 * recorded, or is at its very first instruction.
 *
 * A task that is off the CPU in the very last part of its exit is on no list
 * any more and may be missed by all looks, as by livepatch's. It ends in the
 * version in which it is; what that needs stays until kp_drain_wait(), which
 * waits for such tasks when they were preempted, but not when they sleep.
 *
 * Each CPU has a table of its own, filled with interrupts off, so there is no
 * lock. When one is full, all tasks are asked: never wrong, just slower. The
 * probe stays for a moment, for the next switch, and a worker takes it away and
 * frees the tables: changing code and waiting for probes takes time. For a probe
 * that is there already "has it" means: sees the CPU's new table.
 */
#include "core.h"
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#define KP_RAN_BITS	11
#define KP_RAN_SIZE	(1U << KP_RAN_BITS)
#define KP_RAN_PROBES	16
#define KP_RAN_LINGER	(HZ / 2)

/**
 * struct kp_ran - the tasks that ran on one CPU, each held by a reference
 * @used:	in kp_ran_used, when it is not needed any more
 * @nr:		how many
 * @full:	some did not fit
 * @order:	indices of @tasks that are in use
 * @tasks:	by hash of the address, with linear probing
 */
struct kp_ran {
	struct llist_node used;
	unsigned int nr;
	bool full;
	u16 order[KP_RAN_SIZE];
	struct task_struct *tasks[KP_RAN_SIZE];
};

static DEFINE_PER_CPU(struct kp_ran *, kp_ran);
static struct kp_ran *kp_suspects;
static LLIST_HEAD(kp_ran_used);
static struct tracepoint *kp_sched_switch;
static bool kp_probed;		/* the probe is registered */
static bool kp_recording;	/* and has tables */

static bool kp_all_tasks;
module_param_named(all_tasks, kp_all_tasks, bool, 0644);
MODULE_PARM_DESC(all_tasks, "ask all tasks while the machine is stopped, not just those that ran (for comparison)");

static void notrace kp_ran_add(struct kp_ran *ran, struct task_struct *task)
{
	unsigned int at = hash_ptr(task, KP_RAN_BITS);
	unsigned int i;

	for (i = 0; i < KP_RAN_PROBES; i++, at = (at + 1) % KP_RAN_SIZE) {
		if (ran->tasks[at] == task)
			return;
		if (ran->tasks[at])
			continue;
		get_task_struct(task);
		ran->tasks[at] = task;
		ran->order[ran->nr++] = at;
		return;
	}
	ran->full = true;
}

/* In __schedule(), interrupts off: @prev goes off this CPU. */
static void notrace kp_probe_sched_switch(KP_SCHED_SWITCH_ARGS)
{
	struct kp_ran *ran = this_cpu_read(kp_ran);

	/* Of the idle tasks, which all have pid 0, one answers for all (flip.c). */
	if (ran && prev->pid)
		kp_ran_add(ran, prev);
}

static void kp_find_tracepoint(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "sched_switch"))
		kp_sched_switch = tp;
}

static void kp_ran_free_fn(struct work_struct *work)
{
	struct llist_node *used;
	struct kp_ran *ran, *next;
	unsigned int i;

	mutex_lock(&kp_mutex);
	if (kp_probed)
		tracepoint_probe_unregister(kp_sched_switch, kp_probe_sched_switch, NULL);
	kp_probed = false;
	used = llist_del_all(&kp_ran_used);
	mutex_unlock(&kp_mutex);
	/* A probe that began before that may be at its table. */
	tracepoint_synchronize_unregister();
	llist_for_each_entry_safe(ran, next, used, used) {
		for (i = 0; i < ran->nr; i++)
			put_task_struct(ran->tasks[ran->order[i]]);
		vfree(ran);
	}
}

static DECLARE_DELAYED_WORK(kp_ran_free_work, kp_ran_free_fn);

static void kp_ran_retire(struct kp_ran **ran)
{
	if (*ran)
		llist_add(&(*ran)->used, &kp_ran_used);
	WRITE_ONCE(*ran, NULL);
}

static void kp_ran_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		kp_ran_retire(per_cpu_ptr(&kp_ran, cpu));
	kp_ran_retire(&kp_suspects);
	schedule_delayed_work(&kp_ran_free_work, KP_RAN_LINGER);
}

static int kp_ran_alloc(void)
{
	int cpu;

	kp_suspects = vzalloc(sizeof(*kp_suspects));
	if (!kp_suspects)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct kp_ran *ran = vzalloc_node(sizeof(*ran), cpu_to_node(cpu));

		if (!ran) {
			kp_ran_free();
			return -ENOMEM;
		}
		/* The probe may be there already. */
		smp_store_release(per_cpu_ptr(&kp_ran, cpu), ran);
	}
	return 0;
}

/**
 * kp_ran_start() - record who runs, from now on
 *
 * Failing is no error: then kp_ran_ask() knows nothing, and all are asked.
 */
void kp_ran_start(void)
{
	if (kp_all_tasks || !kp_stacks_stay())
		return;
	if (!kp_sched_switch)
		for_each_kernel_tracepoint(kp_find_tracepoint, NULL);
	if (!kp_sched_switch || kp_fault() || kp_ran_alloc())
		return;
	if (!kp_probed && tracepoint_probe_register(kp_sched_switch, kp_probe_sched_switch, NULL)) {
		kp_ran_free();
		return;
	}
	/* The tables before the look at on_cpu; pairs with the barrier in __schedule(). */
	smp_mb();
	kp_probed = true;
	kp_recording = true;
}

/**
 * kp_ran_stop() - record no more, and forget
 */
void kp_ran_stop(void)
{
	if (!kp_recording)
		return;
	kp_recording = false;
	kp_ran_free();
}

/* Nobody records any more. */
void kp_ran_exit(void)
{
	flush_delayed_work(&kp_ran_free_work);
}

/**
 * kp_ran_suspect() - count a task as one that ran
 * @task:	the first look could not clear it
 */
void kp_ran_suspect(struct task_struct *task)
{
	if (kp_suspects)
		kp_ran_add(kp_suspects, task);
}

static void kp_ran_ask_each(const struct kp_ran *ran, struct kp_inuse *inuse)
{
	unsigned int i;

	for (i = 0; i < ran->nr; i++)
		kp_inuse_task(inuse, ran->tasks[ran->order[i]]);
}

/**
 * kp_ran_ask() - ask every task that ran since kp_ran_start()
 * @inuse:	the question
 *
 * The machine is stopped. Return: false: not known, all tasks must be asked.
 */
bool kp_ran_ask(struct kp_inuse *inuse)
{
	int cpu;

	if (!kp_recording || kp_suspects->full)
		return false;
	for_each_possible_cpu(cpu)
		if (per_cpu(kp_ran, cpu)->full)
			return false;
	for_each_possible_cpu(cpu)
		kp_ran_ask_each(per_cpu(kp_ran, cpu), inuse);
	kp_ran_ask_each(kp_suspects, inuse);
	return true;
}
