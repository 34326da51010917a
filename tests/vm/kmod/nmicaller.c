// SPDX-License-Identifier: GPL-2.0-only
/*
 * nmicaller.c - patched functions called in NMIs, on all CPUs
 *
 * A timer sends NMIs to all CPUs. Each call in an NMI must give the number of
 * one version. (Two calls in one NMI may be of two versions: an NMI can come
 * on one CPU while another one makes the switch.)
 * /sys/module/nmicaller/parameters/{nmis,marked,wrong} tell what was seen.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/swap.h>
#include <asm/apic.h>
#include <asm/nmi.h>
#include "caller-compat.h"

static atomic_long_t nmis, marked, wrong;
static unsigned long files, pages;
static struct hrtimer timer;

static int get_count(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read((atomic_long_t *)param->arg));
}

static const struct kernel_param_ops count_ops = { .get = get_count };
module_param_cb(nmis, &count_ops, &nmis, 0444);
module_param_cb(marked, &count_ops, &marked, 0444);
module_param_cb(wrong, &count_ops, &wrong, 0444);

/* What a test patch tells; a multiple of 1111, as no kernel would. */
static bool is_mark(unsigned long nr)
{
	return nr >= 1000 && nr < 10000 && !(nr % 1111);
}

static int nmi_fn(unsigned int type, struct pt_regs *regs)
{
	unsigned long now_files = get_max_files(), now_pages = nr_free_buffer_pages();

	atomic_long_inc(&nmis);
	if (is_mark(now_files) || is_mark(now_pages))
		atomic_long_inc(&marked);
	if (!is_mark(now_files) && now_files != files)
		atomic_long_inc(&wrong);
	/* The kernel's own number is that of the pages in its zones: it changes a little. */
	if (!is_mark(now_pages) && (now_pages < pages / 2 || now_pages > pages * 2))
		atomic_long_inc(&wrong);
	return NMI_HANDLED;
}

static enum hrtimer_restart timer_fn(struct hrtimer *unused)
{
	apic->send_IPI_mask(cpu_online_mask, NMI_VECTOR);
	hrtimer_forward_now(&timer, ms_to_ktime(1));
	return HRTIMER_RESTART;
}

static int __init nmicaller_init(void)
{
	int err;

	files = get_max_files();
	pages = nr_free_buffer_pages();
	err = register_nmi_handler(NMI_LOCAL, nmi_fn, 0, "kpatch_test");
	if (err)
		return err;
	setup_timer(&timer, timer_fn);
	hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL);
	return 0;
}
module_init(nmicaller_init);

static void __exit nmicaller_exit(void)
{
	hrtimer_cancel(&timer);
	unregister_nmi_handler(NMI_LOCAL, "kpatch_test");
}
module_exit(nmicaller_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: patched functions called in NMIs");
