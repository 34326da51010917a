// SPDX-License-Identifier: GPL-2.0-only
/*
 * shadow.c - the core module's shadow variables, used as a patch would
 *
 * Loads if all is as it must be. What it leaves attached, the core must free.
 */
#include <linux/module.h>
#include "kpatch-patch.h"

static int things[3];
static int constructed, destructed;

static int construct(void *obj, void *data, void *ctor_data)
{
	if (!ctor_data)
		return -EINVAL;
	*(long *)data = *(long *)ctor_data;
	constructed++;
	return 0;
}

static void destruct(void *obj, void *data)
{
	destructed++;
}

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			pr_err("line %d: %s\n", __LINE__, #condition);	\
			return -EINVAL;					\
		}							\
	} while (0)

static int __init shadow_init(void)
{
	long first = 11, second = 22;
	long *data;

	CHECK(!kpatch_shadow_get(&things[0], 1));
	data = kpatch_shadow_alloc(&things[0], 1, sizeof(long), GFP_KERNEL, construct, &first);
	CHECK(data && *data == 11);
	CHECK(kpatch_shadow_get(&things[0], 1) == data);
	CHECK(!kpatch_shadow_get(&things[0], 2));
	CHECK(!kpatch_shadow_get(&things[1], 1));
	CHECK(kpatch_shadow_get_or_alloc(&things[0], 1, sizeof(long), GFP_KERNEL, construct, &second) == data);
	CHECK(*data == 11 && constructed == 1);
	CHECK(!kpatch_shadow_alloc(&things[1], 1, sizeof(long), GFP_KERNEL, construct, NULL));
	CHECK(!kpatch_shadow_get(&things[1], 1));
	data = kpatch_shadow_get_or_alloc(&things[1], 1, sizeof(long), GFP_KERNEL, construct, &second);
	CHECK(data && *data == 22);
	CHECK(kpatch_shadow_alloc(&things[2], 2, 100, GFP_KERNEL, NULL, NULL));
	kpatch_shadow_free(&things[0], 1, destruct);
	CHECK(destructed == 1 && !kpatch_shadow_get(&things[0], 1));
	kpatch_shadow_free(&things[0], 1, destruct);
	CHECK(destructed == 1);
	kpatch_shadow_free_all(1, destruct);
	CHECK(destructed == 2 && !kpatch_shadow_get(&things[1], 1));
	CHECK(kpatch_shadow_get(&things[2], 2));
	return 0;
}
module_init(shadow_init);

static void __exit shadow_exit(void)
{
}
module_exit(shadow_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("kpatch tests: shadow variables");
