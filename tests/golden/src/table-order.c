// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new function uses .altinstructions before anybody uses __bug_table: the tables change places, their users do not
 * change.
 *
 * shows: bug_table altinstructions
 * status: changed
 * changed: first
 */
#include "kernel.h"

#define TRAP()									\
	__asm__ volatile("1: ud2\n"						\
		".pushsection __bug_table, \"aw\"\n"				\
		"2: .long 1b - 2b, 0\n.word 7, 1\n"				\
		".popsection")
#define CHOICE()								\
	__asm__ volatile("1: nop\n2:\n"						\
		".pushsection .altinstructions, \"a\"\n"			\
		".long 1b - ., 3f - .\n.word 5\n.byte 2b - 1b, 1\n"		\
		".popsection\n"							\
		".pushsection .altinstr_replacement, \"ax\"\n3: cld\n"		\
		".popsection")

int first(int n)
{
#ifdef PATCHED
	CHOICE();
#endif
	return sink(n);
}

int f(int n)
{
	TRAP();
	CHOICE();
	return sink(n);
}

int g(int n)
{
	CHOICE();
	TRAP();
	return sink(n) + 1;
}
