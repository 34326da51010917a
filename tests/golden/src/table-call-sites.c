// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of call and return places follow from the code: no change of their own.
 *
 * shows: call_sites retpoline_sites
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	__asm__ volatile("1: call __x86_indirect_thunk_rax\n"
		".pushsection .retpoline_sites,\"a\"\n.long 1b - .\n.popsection\n"
		".pushsection .call_sites,\"a\"\n.long 1b - .\n.popsection\n"
		: : : "memory", "rax");
#endif
	return sink(n);
}

int g(int n)
{
	__asm__ volatile("1: call __x86_indirect_thunk_rcx\n"
		".pushsection .retpoline_sites,\"a\"\n.long 1b - .\n.popsection\n"
		: : : "memory", "rcx");
	return sink(n);
}
