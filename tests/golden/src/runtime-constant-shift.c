// SPDX-License-Identifier: GPL-2.0-only
/*
 * A shift whose width the kernel writes into its code when it starts: no instruction of this length can read it.
 *
 * shows: runtime-constant
 * status: refused
 * refusals: runtime-constant:f
 */
#include "kernel.h"

extern unsigned int width;

#define runtime_const_shift_right_32(number, name) ({				\
	unsigned int value = (number);						\
	__asm__("shrl $12, %k0\n1:\n"						\
		".pushsection runtime_shift_" #name ", \"a\"\n"			\
		".long 1b - 1 - .\n"						\
		".popsection" : "+r" (value));					\
	value; })

int f(unsigned int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(runtime_const_shift_right_32(n, width));
}
