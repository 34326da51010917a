// SPDX-License-Identifier: GPL-2.0-only
/* depot.c - a module that late_target depends on */
#include <linux/module.h>
#include "target.h"

static int stock = 3000;

target_function int depot_value(int x)
{
	return x + READ_ONCE(stock);
}
EXPORT_SYMBOL_GPL(depot_value);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: a module with a local symbol that a patch of another one needs");
