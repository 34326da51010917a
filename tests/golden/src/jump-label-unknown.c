// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jump label entries of a size that no kernel has had, in a module: nobody can tell which key they have.
 *
 * shows: jump_table
 * status: refused
 * object: driver
 * refusals: unknown-layout:
 */
#include "kernel.h"

struct static_key key;

int f(int n)
{
	__asm__ goto("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n"
		".pushsection __jump_table,\"aw\"\n"
		".balign 8\n"
		".long 1b - ., %l[yes] - ., 0, 0\n"
		".quad %c0 - ., 0\n"
		".popsection\n"
		: : "i" (&key) : : yes);
#ifdef PATCHED
	n++;
#endif
	return n;
yes:
	return sink(n);
}
