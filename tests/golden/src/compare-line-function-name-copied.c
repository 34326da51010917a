// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: ext4 tells __func__ twice, and the compiler loads it once.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

void __ext4_warning(void *sb, const char *function, unsigned int line, const char *format, ...);

#ifdef PATCHED
#line 150
#endif
int f(int n, long *sb)
{
	if (n > 3)
		__ext4_warning(sb, __func__, __LINE__, "%s: inode %lu, %d of %d", __func__, sb[3], n, (int)sb[4]);
	return sink(n);
}
