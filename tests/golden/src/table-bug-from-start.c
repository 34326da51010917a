// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before 5.19 the reference to the file counts from the start of the entry: it leads into the text, or behind it.
 *
 * shows: bug_table strings
 * status: changed
 * changed: f
 */
#include "kernel.h"

#define OLD_BUG_ENTRY(file)						\
	__asm__ volatile("1: ud2\n"					\
		".pushsection __bug_table,\"aw\"\n"			\
		"2: .long 1b - 2b\n"					\
		".long %c0 - 2b\n"					\
		".word %c1\n"						\
		".word 2307\n"						\
		".org 2b + 12\n"					\
		".popsection\n"						\
		: : "i" (file), "i" (__LINE__))

int g(int n)
{
	if (unlikely(n == 2))
		OLD_BUG_ENTRY("mm/slab.c");
	return sink(n);
}

int f(int n)
{
#ifdef PATCHED
	if (n == 7)
		return 1;
#endif
	if (unlikely(n == 3))
		OLD_BUG_ENTRY("mm/slab.c");
	if (unlikely(n == 4))
		OLD_BUG_ENTRY("a.c");
	if (unlikely(n == 5))
		OLD_BUG_ENTRY("mm/slub.c");
	return sink(n);
}
