// SPDX-License-Identifier: GPL-2.0-only
/*
 * helper.c - the module that kp-sample depends on
 */
#include <linux/module.h>
#include "sample.h"

int helper_twice(int value)
{
	return 2 * value;
}
EXPORT_SYMBOL_GPL(helper_twice);

MODULE_DESCRIPTION("Exports a function to kp-sample");
MODULE_LICENSE("GPL");
