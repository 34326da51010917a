// SPDX-License-Identifier: GPL-2.0-only
/*
 * measure.c - what a call of get_max_files() costs
 *
 * Reading /sys/module/measure/parameters/call_ps tells picoseconds per call,
 * of the fastest of many short series: a host that has other work to do slows
 * some of them down. The function does next to nothing by itself.
 */
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>

#define SERIES	100
#define CALLS	20000

static u64 series(void)
{
	u64 start = ktime_get_ns();
	int i;

	for (i = 0; i < CALLS; i++)
		get_max_files();
	return ktime_get_ns() - start;
}

static int measure(char *buffer, const struct kernel_param *unused)
{
	u64 best = U64_MAX;
	int i;

	for (i = 0; i < SERIES; i++)
		best = min(best, series());
	return sysfs_emit(buffer, "%llu\n", div_u64(best * 1000, CALLS));
}

static const struct kernel_param_ops measure_ops = { .get = measure };
module_param_cb(call_ps, &measure_ops, NULL, 0444);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: cost of a call");
