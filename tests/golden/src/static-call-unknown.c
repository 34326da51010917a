// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of static calls with a size that no kernel has had.
 *
 * shows: static_call_sites
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define ODD_CALL(name)							\
	__asm__ volatile("1: call __SCT__" #name "\n"			\
		".pushsection .static_call_sites,\"aw\"\n"		\
		".long 1b - ., __SCK__" #name " - ., 0\n"		\
		".popsection\n" : : : "memory", "rax", "rcx", "rdx",	\
		"rsi", "rdi", "r8", "r9", "r10", "r11")
int f(int n)
{
	ODD_CALL(open);
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	ODD_CALL(open);
	return sink(n) + 1;
}
