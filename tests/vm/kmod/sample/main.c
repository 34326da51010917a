// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - a module from outside of the kernel's tree, for a test to patch
 *
 * Both files have a static variable and a static function of the same name.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include "sample.h"

static int level = 100;
int sample_step = 1;

static noinline int next_level(void)
{
	WARN_ON(level > 100000);
	return level += sample_step;
}

static int status_get(char *buffer, const struct kernel_param *kp)
{
	int length = sprintf(buffer, "main %d ", next_level());

	return length + sample_status(buffer + length);
}

static const struct kernel_param_ops status_ops = { .get = status_get };
module_param_cb(status, &status_ops, NULL, 0444);

MODULE_DESCRIPTION("Shows counters in /sys/module/kp_sample/parameters/status");
MODULE_LICENSE("GPL");
