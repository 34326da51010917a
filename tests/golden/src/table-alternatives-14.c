// SPDX-License-Identifier: GPL-2.0-only
/*
 * Alternatives with 32 bit flags (since 6.3): 14 bytes.
 *
 * shows: altinstructions entry-size
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
	ALTERNATIVE_AS("nop; nop; nop", "lfence", ALT_14(0x71));
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}

int g(int n)
{
	ALTERNATIVE_AS("nop; nop; nop", "mfence", ALT_14(0x72));
	return sink(n);
}
