// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the replacement of an alternative changes; the code in the text section stays.
 *
 * shows: alternatives altinstr_replacement
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define NEW "lfence"
#else
#define NEW "mfence"
#endif
int f(int n)
{
	ALTERNATIVE("nop; nop; nop", NEW, 0x71);
	return sink(n);
}

int g(int n)
{
	ALTERNATIVE("nop; nop; nop", "mfence", 0x71);
	return sink(n) + 1;
}
