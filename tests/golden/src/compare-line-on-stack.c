// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: behind six other arguments the line goes over the stack (xfs_corruption_error()), in a message, too.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

void report(const char *tag, int level, void *mount, void *buffer, long size, const char *file, int line, void *address);

#ifdef PATCHED
#line 350
#else
#line 250
#endif
int f(int n)
{
	report("corrupt", 3, 0, 0, 16, __FILE__, __LINE__, 0);
	printk("%d %d %d %d %s:%d: %d\n", n, 1, 2, 3, __FILE__, __LINE__, 4);
	return sink(n);
}
