// SPDX-License-Identifier: GPL-2.0-only
/*
 * Code that a file-level asm() puts behind a label, no function by its symbol: its change is not overlooked.
 *
 * shows: asm-label no-fentry
 * status: refused
 * refusals: no-fentry:entry
 */
#include "kernel.h"

#ifdef PATCHED
#define STATUS "2"
#else
#define STATUS "1"
#endif
__asm__(".pushsection .text\n"
	".globl entry\n"
	"entry: movl $" STATUS ", %eax\n"
	"ret\n"
	".popsection\n");
