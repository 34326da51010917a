// SPDX-License-Identifier: GPL-2.0-only
/*
 * neighbour.c - the kernel's own livepatch on get_max_files()
 */
#include <linux/fs.h>
#include <linux/livepatch.h>
#include <linux/module.h>

#define MARK 9999

static unsigned long new_get_max_files(void)
{
	return MARK;
}

static struct klp_func funcs[] = {
	{ .old_name = "get_max_files", .new_func = new_get_max_files },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init neighbour_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(neighbour_init);

static void __exit neighbour_exit(void)
{
}
module_exit(neighbour_exit);

MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("kpatch tests: the kernel's livepatch");
