// SPDX-License-Identifier: GPL-2.0-only
/*
 * chaincaller.c - kthreads that call si_meminfo() as chain.c makes it
 *
 * Two on each CPU, so that one may be preempted in the middle. Most of their
 * time they call the other two functions by themselves: if they were always
 * in si_meminfo(), it would always be in use. breathe=N: they sleep for N
 * jiffies in between.
 * /sys/module/chaincaller/parameters/{chains,broken} tell what was seen.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/swap.h>

static int breathe;
module_param(breathe, int, 0444);

static unsigned long chains, broken;
module_param(chains, ulong, 0444);
module_param(broken, ulong, 0444);

#define MAX_THREADS 32
static struct task_struct *threads[MAX_THREADS];

static bool is_mark(unsigned long nr)
{
	return nr >= 1000 && nr < 10000;
}

static void check_chain(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	if (is_mark(info.totalram) &&
	    (info.freeram != info.totalram || info.sharedram != info.totalram))
		WRITE_ONCE(broken, broken + 1);
	WRITE_ONCE(chains, chains + 1);
}

static void call_others(void)
{
	int i;

	for (i = 0; i < 500; i++) {
		get_max_files();
		nr_free_buffer_pages();
	}
}

static int chain_fn(void *unused)
{
	while (!kthread_should_stop()) {
		check_chain();
		call_others();
		cond_resched();
		call_others();
		cond_resched_tasks_rcu_qs();
		if (breathe)
			schedule_timeout_interruptible(breathe);
	}
	return 0;
}

static void stop_all(void)
{
	int i;

	for (i = 0; i < MAX_THREADS && threads[i]; i++)
		kthread_stop(threads[i]);
}

static int __init chaincaller_init(void)
{
	int i, nr = min_t(int, 2 * num_online_cpus(), MAX_THREADS);
	struct task_struct *thread;

	for (i = 0; i < nr; i++) {
		thread = kthread_run(chain_fn, NULL, "chain/%d", i);
		if (IS_ERR(thread)) {
			stop_all();
			return PTR_ERR(thread);
		}
		threads[i] = thread;
	}
	return 0;
}
module_init(chaincaller_init);

static void __exit chaincaller_exit(void)
{
	stop_all();
}
module_exit(chaincaller_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: callers of a chain of patched functions");
