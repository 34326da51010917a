// SPDX-License-Identifier: GPL-2.0-only
/*
 * The replacement's length is read from the right place: only the one of g changes.
 *
 * shows: altinstr_replacement entry-size
 * status: changed
 * changed: g
 */
#include "kernel.h"

#ifdef PATCHED
#define NEW "lfence"
#else
#define NEW "sfence"
#endif
int f(int n)
{
	ALTERNATIVE_AS("nop; nop; nop", "mfence", ALT_14(0x71));
	return sink(n);
}

int g(int n)
{
	ALTERNATIVE_AS("nop; nop; nop", NEW, ALT_14(0x72));
	return sink(n) + 1;
}
