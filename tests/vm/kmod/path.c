// SPDX-License-Identifier: GPL-2.0-only
/*
 * path.c - patch of functions that whoever loads or switches it is inside of
 *
 * vfs_write() is on the way of a write to "enabled", do_one_initcall() on that
 * of insmod. The new ones call what is behind the fentry call of the old ones.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include "testpatch.h"

#define BODY(name)	(OLD(name) + (IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 9 : 5))

typedef ssize_t (*write_fn)(struct file *, const char __user *, size_t, loff_t *);
typedef int (*initcall_fn)(initcall_t);

static __new(0) ssize_t new_vfs_write(struct file *file, const char __user *from, size_t count,
				      loff_t *pos)
{
	ssize_t done = ((write_fn)BODY(vfs_write))(file, from, count, pos);

	/* Not the last thing that it does: then it would jump there. */
	barrier();
	return done;
}
NEW(0, new_vfs_write);

static __new(1) int new_do_one_initcall(initcall_t fn)
{
	int err = ((initcall_fn)BODY(do_one_initcall))(fn);

	barrier();
	return err;
}
NEW(1, new_do_one_initcall);

FUNCS(FUNC(vfs_write, new_vfs_write), FUNC(do_one_initcall, new_do_one_initcall));

NO_CALLBACKS;
