// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the replacement of an alternative changes, and the code that it belongs to cannot be hooked.
 *
 * shows: alternatives altinstr_replacement
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define NEW "lfence"
#else
#define NEW "mfence"
#endif
unhookable int f(int n)
{
	ALTERNATIVE("nop; nop; nop", NEW, 0x71);
	return sink(n);
}
