// SPDX-License-Identifier: GPL-2.0-only
/*
 * A number that goes over the stack beside the line changes.
 *
 * shows: line-printk
 * status: changed
 * changed: f
 */
#include "kernel.h"

void report(const char *tag, int level, void *mount, void *buffer, long size, const char *file, int line, int status);

#ifdef PATCHED
#define STATUS 1077
#else
#define STATUS 1070
#endif
int f(int n)
{
	report("corrupt", 3, 0, 0, 16, __FILE__, __LINE__, STATUS);
	return sink(n);
}
