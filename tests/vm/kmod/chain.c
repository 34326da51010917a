// SPDX-License-Identifier: GPL-2.0-only
/*
 * chain.c - patch of si_meminfo(), which then calls two more patched functions
 *
 * While a task is in the new si_meminfo(), asleep or not, no switch may be made,
 * so all that it calls is of its own version: it tells three times MARK. Of
 * every SLEEP_EVERY calls one sleeps in the middle.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/swap.h>
#define NEW_SIZE 256
#include "testpatch.h"

#define SLEEP_EVERY 32

static __new(0) void new_si_meminfo(struct sysinfo *val)
{
	static unsigned int nr;

	val->totalram = MARK;
	val->freeram = nr_free_buffer_pages();
	if (++nr % SLEEP_EVERY)
		cond_resched();
	else
		schedule_timeout_uninterruptible(1);
	val->sharedram = get_max_files();
	val->bufferram = 0;
	val->totalhigh = 0;
	val->freehigh = 0;
	val->mem_unit = PAGE_SIZE;
}
NEW(0, new_si_meminfo);

static __new(1) unsigned long new_nr_free_buffer_pages(void)
{
	return MARK;
}
NEW(1, new_nr_free_buffer_pages);

static __new(2) unsigned long new_get_max_files(void)
{
	return MARK;
}
NEW(2, new_get_max_files);

FUNCS(FUNC(si_meminfo, new_si_meminfo), FUNC(nr_free_buffer_pages, new_nr_free_buffer_pages),
      FUNC(get_max_files, new_get_max_files));

NO_CALLBACKS;
