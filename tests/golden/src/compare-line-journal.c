// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: ext4 tells them to its journal; which argument that is depends on the release.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

struct super;
int __ext4_journal_start_sb(struct super *sb, unsigned int line, int type, int blocks);
int __ext4_new_inode(void *handle, void *dir, int mode, void *name, int goal, void *owner, int flags, int type,
		     unsigned int line, int blocks);

#ifdef PATCHED
#line 350
#else
#line 250
#endif
int f(struct super *sb, int n)
{
	return __ext4_journal_start_sb(sb, __LINE__, 3, n);
}

int g(int n)
{
	WARN_ON(n);
	return sink(n);
}

int h(void *dir, int n)
{
	return __ext4_new_inode(0, dir, n, 0, 0, 0, 0, 4, __LINE__, 0) + 1;
}
