// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of a size that no kernel has had.
 *
 * shows: altinstructions entry-size
 * status: refused
 * refusals: unknown-layout:
 */
#include "kernel.h"

#define ALT_17(feature) ALT_12(feature) ".byte 0, 0, 0, 0, 0\n"
int f(int n)
{
	ALTERNATIVE_AS("nop; nop; nop", "lfence", ALT_17(0x71));
	ALTERNATIVE_AS("nop; nop; nop", "lfence", ALT_17(0x71));
	ALTERNATIVE_AS("nop; nop; nop", "lfence", ALT_17(0x71));
	ALTERNATIVE_AS("nop; nop; nop", "lfence", ALT_17(0x71));
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
