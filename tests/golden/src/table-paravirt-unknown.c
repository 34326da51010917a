// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls through a paravirt table, with entries of a size that no kernel has had.
 *
 * shows: parainstructions
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define CALL(operation)							\
	__asm__ volatile("771: call *" #operation "(%%rip)\n772:\n"	\
		".pushsection .parainstructions,\"a\"\n"		\
		".quad 771b, 772b - 771b, 0\n"				\
		".popsection\n" : : : "memory", "rax", "rcx", "rdx",	\
		"rsi", "rdi", "r8", "r9", "r10", "r11")
int f(int n)
{
	CALL(pv_ops);
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	CALL(pv_ops);
	return sink(n) + 1;
}
