// SPDX-License-Identifier: GPL-2.0-only
/*
 * caller.c - the users of the functions that the test patches replace
 *
 * hammer=N: N kthreads, bound to the CPUs in turn, call get_max_files()
 * and nr_free_buffer_pages() with preemption off and check that they are of one version.
 * breathe=N: after each burst of calls they sleep for N jiffies. With irq=1 a
 * timer interrupt does the same. sleep=1: a kthread is asleep in
 * msleep_interruptible(). stubborn=1: a kthread never sleeps.
 *
 * /sys/module/caller/parameters/{calls,mixed,woken} tell what was seen.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include "caller-compat.h"

static int hammer, breathe, sleep, irq, stubborn;
module_param(hammer, int, 0444);
module_param(breathe, int, 0444);
module_param(sleep, int, 0444);
module_param(irq, int, 0444);
module_param(stubborn, int, 0444);

static unsigned long calls, mixed, woken;
module_param(calls, ulong, 0444);
module_param(mixed, ulong, 0444);
module_param(woken, ulong, 0444);

#define BURST 5000
#define MAX_THREADS 64
static struct task_struct *threads[MAX_THREADS];
static struct task_struct *sleeper, *stubborn_thread;
static struct hrtimer timer;

/* The marks of the test patches; the machine has more pages and files. */
static bool is_mark(unsigned long nr)
{
	return nr >= 1000 && nr < 10000;
}

static void check_pair(void)
{
	unsigned long files, pages;

	preempt_disable();
	files = get_max_files();
	pages = nr_free_buffer_pages();
	preempt_enable();
	if (is_mark(pages) != is_mark(files) || (is_mark(pages) && pages != files))
		WRITE_ONCE(mixed, mixed + 1);
	WRITE_ONCE(calls, calls + 1);
}

static int hammer_fn(void *unused)
{
	int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < BURST; i++) {
			check_pair();
			if (i % 100 == 99)
				cond_resched_tasks_rcu_qs();
		}
		if (breathe)
			schedule_timeout_interruptible(breathe);
	}
	return 0;
}

static int sleep_fn(void *unused)
{
	allow_signal(SIGTERM);
	while (!kthread_should_stop()) {
		if (msleep_interruptible(1000000) == 4711)
			woken++;
	}
	return 0;
}

/* It lets others run, but by preemption only: to RCU for tasks it is where it was. */
static int stubborn_fn(void *unused)
{
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

static enum hrtimer_restart timer_fn(struct hrtimer *t)
{
	check_pair();
	hrtimer_forward_now(t, ms_to_ktime(1));
	return HRTIMER_RESTART;
}

static void stop_all(void)
{
	int i;

	for (i = 0; i < MAX_THREADS; i++)
		if (threads[i])
			kthread_stop(threads[i]);
	if (sleeper) {
		/* Not all kernels take kthread_stop() for a signal. */
		send_sig(SIGTERM, sleeper, 1);
		kthread_stop(sleeper);
	}
	if (stubborn_thread)
		kthread_stop(stubborn_thread);
	if (irq)
		hrtimer_cancel(&timer);
}

static int __init caller_init(void)
{
	int i, cpu = -1;

	for (i = 0; i < min(hammer, MAX_THREADS); i++) {
		threads[i] = kthread_create(hammer_fn, NULL, "hammer/%d", i);
		if (IS_ERR(threads[i])) {
			threads[i] = NULL;
			stop_all();
			return -ENOMEM;
		}
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		kthread_bind(threads[i], cpu);
		wake_up_process(threads[i]);
	}
	if (sleep) {
		sleeper = kthread_run(sleep_fn, NULL, "test sleeper");
		if (IS_ERR(sleeper)) {
			sleeper = NULL;
			stop_all();
			return -ENOMEM;
		}
	}
	if (stubborn) {
		stubborn_thread = kthread_run(stubborn_fn, NULL, "stubborn");
		if (IS_ERR(stubborn_thread)) {
			stubborn_thread = NULL;
			stop_all();
			return -ENOMEM;
		}
	}
	if (irq) {
		setup_timer(&timer, timer_fn);
		hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL);
	}
	return 0;
}
module_init(caller_init);

static void __exit caller_exit(void)
{
	stop_all();
}
module_exit(caller_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: callers of patched functions");
