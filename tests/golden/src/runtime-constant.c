// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pointer that the kernel writes into its code when it starts (asm/runtime-const.h): the new code reads the variable.
 *
 * shows: runtime-constant
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern unsigned long limit;

#define runtime_const_ptr(name) ({						\
	unsigned long value;							\
	__asm__("mov %1, %0\n1:\n"						\
		".pushsection runtime_ptr_" #name ", \"a\"\n"			\
		".long 1b - 8 - .\n"						\
		".popsection" : "=r" (value) : "i" (0x0123456789abcdefUL));	\
	value; })

int f(unsigned long n)
{
#ifdef PATCHED
	if (n > runtime_const_ptr(limit))
		return 0;
#endif
	return sink(n) + (n > runtime_const_ptr(limit));
}

int g(unsigned long n)
{
	return sink(n) - (n > runtime_const_ptr(limit));
}
