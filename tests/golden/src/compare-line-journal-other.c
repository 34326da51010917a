// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is told beside the line changes by as much as the lines move.
 *
 * shows: line-printk
 * status: changed
 * changed: f h
 */
#include "kernel.h"

struct super;
int __ext4_journal_start_sb(struct super *sb, unsigned int line, int type, int blocks);
int __ext4_new_inode(void *handle, void *dir, int mode, void *name, int goal, void *owner, int flags, int type,
		     unsigned int line, int blocks);

#ifdef PATCHED
#define TYPE 7
#line 251
#else
#define TYPE 3
#line 250
#endif
int g(int n)
{
	WARN_ON(n);
	return sink(n);
}

int f(struct super *sb, int n)
{
	return __ext4_journal_start_sb(sb, __LINE__, TYPE, n);
}

int h(void *dir, int n)
{
	return __ext4_new_inode(0, dir, n, 0, 0, 0, 0, TYPE, __LINE__, 0) + 1;
}
