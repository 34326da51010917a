// SPDX-License-Identifier: GPL-2.0-only
/*
 * target.c - a module to be patched; twin.c has local namesakes of its symbols
 *
 * /sys/module/late_target/parameters/{value,other} call its functions. init
 * calls one, too, and with fail=1 it fails behind that.
 */
#include <linux/module.h>
#include "target.h"

static int secret = 100;

static target_function int helper(int x)
{
	return x + READ_ONCE(secret);
}

target_function int target_value(int x)
{
	return helper(x);
}

target_function int target_other(int x)
{
	return depot_value(x) + twin_value(x);
}

static int show_value(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d\n", target_value(1));
}

static int show_other(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d\n", target_other(1));
}

static const struct kernel_param_ops value_ops = { .get = show_value };
static const struct kernel_param_ops other_ops = { .get = show_other };
module_param_cb(value, &value_ops, NULL, 0444);
module_param_cb(other, &other_ops, NULL, 0444);

static bool fail;
module_param(fail, bool, 0444);

static int __init target_init(void)
{
	pr_info("late_target: init sees %d\n", target_value(1));
	return fail ? -EDOM : 0;
}
module_init(target_init);

static void __exit target_exit(void)
{
	pr_info("late_target: exit sees %d\n", target_value(1));
}
module_exit(target_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: a module that is patched");
