// SPDX-License-Identifier: GPL-2.0-only
/*
 * load-mark.c - patch of get_avenrun() (and si_meminfo()) that leaves a mark
 *
 * /proc/loadavg and sysinfo() show MARK. Compiled several times: MARK is the
 * number, TEST_ONE leaves si_meminfo() alone, BAD_* damages the metadata.
 */
#include <linux/mm.h>
#include <linux/sched/loadavg.h>
#include "testpatch.h"

static __new void new_get_avenrun(unsigned long *loads, unsigned long offset, int shift)
{
	loads[0] = loads[1] = loads[2] = ((unsigned long)MARK << FSHIFT) << shift;
}
NEW(0, new_get_avenrun);

#ifndef TEST_ONE
static __new void new_si_meminfo(struct sysinfo *val)
{
	val->totalram = val->freeram = MARK;
	val->sharedram = val->bufferram = 0;
	val->totalhigh = val->freehigh = 0;
	val->mem_unit = PAGE_SIZE;
}
NEW(1, new_si_meminfo);
#endif

#if defined(BAD_NAME)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun),	\
		  .name = ADDRESS("get_avenrum"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun - 32 }
#elif defined(BAD_OFFSET)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun) + 16,	\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun }
#elif defined(BAD_SIZE)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun),	\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun + 1 }
#elif defined(BAD_ZERO)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun),	\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = 0 }
#elif defined(BAD_STRING)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun),	\
		  .name = 0xdead000000000000, .objname = ADDRESS("vmlinux"),			\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun }
#elif defined(BAD_NEW)
#define FIRST	{ .new_addr = ADDRESS(&_printk), .old_addr = ADDRESS(&get_avenrun),		\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun }
#elif defined(BAD_FLAGS)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun), .old_addr = ADDRESS(&get_avenrun),	\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("vmlinux"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun, .flags = 0x80 }
#elif defined(BAD_MODULE)
#define FIRST	{ .new_addr = ADDRESS(new_get_avenrun),						\
		  .name = ADDRESS("get_avenrun"), .objname = ADDRESS("no_such_module"),		\
		  .new_size = NEW_SIZE, .old_size = FACT_SIZE_get_avenrun }
#else
#define FIRST	FUNC(get_avenrun, new_get_avenrun)
#endif

#if defined(BAD_TWICE)
FUNCS(FUNC(get_avenrun, new_get_avenrun), FUNC(get_avenrun, new_get_avenrun));
#elif defined(BAD_NOTRACE)
/* Has no fentry call: memcpy() is assembler. */
FUNCS(FUNC(get_avenrun, new_get_avenrun),
      { .new_addr = ADDRESS(new_si_meminfo), .old_addr = ADDRESS(&memcpy),
	.name = ADDRESS("memcpy"), .objname = ADDRESS("vmlinux"),
	.new_size = NEW_SIZE, .old_size = FACT_SIZE_memcpy });
#elif defined(TEST_ONE)
FUNCS(FIRST);
#else
FUNCS(FIRST, FUNC(si_meminfo, new_si_meminfo));
#endif

NO_CALLBACKS;
