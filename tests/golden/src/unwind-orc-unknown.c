// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two unwind tables have numbers of entries that do not fit together.
 *
 * shows: orc_unwind
 * status: refused
 * refusals: not-understood:
 */
#include "kernel.h"

int f(int n)
{
	__asm__ volatile("1: nop\n2: nop\n"
		".pushsection .orc_unwind_ip,\"a\"\n.long 1b - ., 2b - .\n.popsection\n"
		".pushsection .orc_unwind,\"a\"\n.byte 0, 0, 0, 0, 0, 0, 0\n.popsection\n");
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n);
}
