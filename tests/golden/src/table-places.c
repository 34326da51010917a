// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of places in the code: those of the included code come along, a list of landing pads to take away does not.
 *
 * shows: call_sites retpoline_sites return_sites ibt_endbr_seal cfi_sites
 * status: changed
 * changed: g
 */
#include "kernel.h"

#define LISTED(section) ".pushsection " section ",\"a\"\n.long 1b - .\n.popsection\n"
#define EVERYWHERE							\
	__asm__ volatile("1: nop\n" LISTED(".call_sites") LISTED(".retpoline_sites") \
		LISTED(".return_sites") LISTED(".ibt_endbr_seal") LISTED(".cfi_sites"))
int f(int n)
{
	EVERYWHERE;
	return sink(n);
}

int g(int n)
{
	EVERYWHERE;
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(n) + 1;
}
