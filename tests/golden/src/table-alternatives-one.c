// SPDX-License-Identifier: GPL-2.0-only
/*
 * A single entry, 12 bytes.
 *
 * shows: altinstructions entry-size
 * status: changed
 * changed: f
 */
#include "kernel.h"

int f(int n)
{
	ALTERNATIVE("nop; nop; nop; nop; nop", "call sink", 0x71);
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
