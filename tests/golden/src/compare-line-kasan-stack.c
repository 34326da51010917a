// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines move: KASAN tells where the variables on the stack are and begin, with the line of each in the text.
 *
 * shows: line-printk strings
 * status: unchanged
 * flags: -fsanitize=kernel-address --param asan-stack=1
 * compilers: gcc
 */
#include "kernel.h"

void fill(char *name, long *numbers);

#ifdef PATCHED
#line 1150
#else
#line 90
#endif
int f(int n)
{
	char name[11];
	long numbers[3];

	fill(name, numbers);
	return sink(name[n]);
}
