// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: a function that nobody knows is told __FILE__ and, right behind it, __LINE__; another one is defined here.
 *
 * shows: line-printk
 * status: unchanged
 */
#include "kernel.h"

void report(const char *tag, int level, const char *file, int line);

noinline void __ext4_warning(const char *function, int line, const char *text)
{
	printk("%s %d: %s\n", function, line, text);
}

#ifdef PATCHED
#line 150
#endif
int f(int n)
{
	report("corrupt", 3, __FILE__, __LINE__);
	__ext4_warning(__func__, __LINE__, "odd");
	return sink(n);
}
