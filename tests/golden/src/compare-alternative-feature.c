// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the feature of an alternative changes.
 *
 * shows: alternatives altinstructions
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define FEATURE 0x72
#else
#define FEATURE 0x71
#endif
int f(int n)
{
	ALTERNATIVE("nop; nop; nop", "lfence", FEATURE);
	return sink(n);
}
