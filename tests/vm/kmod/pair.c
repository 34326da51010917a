// SPDX-License-Identifier: GPL-2.0-only
/*
 * pair.c - patch of si_meminfo() and msleep_interruptible(), one right behind the other
 *
 * The new si_meminfo() has NEW_SIZE bytes, and there the other one begins. A
 * task may be asleep in that one.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched.h>
#define NEW_SIZE 128
#include "testpatch.h"

#define __pair noinline __used __aligned(NEW_SIZE) __section(".text.pair") __attribute__((__no_reorder__))

static __pair void new_si_meminfo(struct sysinfo *val)
{
	val->totalram = val->freeram = MARK;
	val->sharedram = val->bufferram = 0;
	val->totalhigh = val->freehigh = 0;
	val->mem_unit = PAGE_SIZE;
}
NEW(0, new_si_meminfo);

static __pair unsigned long new_msleep_interruptible(unsigned int msecs)
{
	schedule_timeout_interruptible(msecs_to_jiffies(msecs));
	return 4711;
}
NEW(1, new_msleep_interruptible);

FUNCS(FUNC(si_meminfo, new_si_meminfo), FUNC(msleep_interruptible, new_msleep_interruptible));

NO_CALLBACKS;
