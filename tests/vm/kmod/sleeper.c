// SPDX-License-Identifier: GPL-2.0-only
/*
 * sleeper.c - patch of msleep_interruptible(), and callbacks that are logged
 *
 * With VETO pre_patch refuses; with FORCE the function may be in use.
 */
#include <linux/delay.h>
#include <linux/sched.h>
#include "testpatch.h"

/* Sleeps for ever, until a signal or the end of the kthread. */
static __new(0) unsigned long new_msleep_interruptible(unsigned int msecs)
{
	schedule_timeout_interruptible(msecs_to_jiffies(msecs));
	return 4711;
}
NEW(0, new_msleep_interruptible);

#ifdef FORCE
FUNCS({ .new_addr = ADDRESS(new_msleep_interruptible), .old_addr = OLD(msleep_interruptible),
	.name = ADDRESS("msleep_interruptible"), .objname = ADDRESS("vmlinux"),
	.new_size = NEW_SIZE, .old_size = FACT_SIZE_msleep_interruptible, .flags = KPATCH_FUNC_FORCE });
#else
FUNCS(FUNC(msleep_interruptible, new_msleep_interruptible));
#endif

static int pre_patch(struct kpatch_object *object)
{
	pr_info("callback pre_patch %s\n", object->name);
#ifdef VETO
	return -EDOM;
#else
	return 0;
#endif
}
CALLBACK(pre_patch, pre_patch);

static void post_patch(struct kpatch_object *object)
{
	pr_info("callback post_patch %s\n", object->name);
}
CALLBACK(post_patch, post_patch);

static void pre_unpatch(struct kpatch_object *object)
{
	pr_info("callback pre_unpatch %s\n", object->name);
}
CALLBACK(pre_unpatch, pre_unpatch);

static void post_unpatch(struct kpatch_object *object)
{
	pr_info("callback post_unpatch %s\n", object->name);
}
CALLBACK(post_unpatch, post_unpatch);
