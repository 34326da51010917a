// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of places in the code whose entries have a size that no kernel has had, each with entries of two functions.
 *
 * shows: smp_locks call_sites retpoline_sites return_sites ibt_endbr_seal cfi_sites entry-size
 * status: refused
 * refusals: unknown-layout: unknown-layout: unknown-layout: unknown-layout: unknown-layout: unknown-layout:
 */
#include "kernel.h"

#define LISTED(section) ".pushsection " section ",\"a\"\n.long 1b - ., 0, 0\n.popsection\n"
#define EVERYWHERE							\
	__asm__ volatile("1: nop\n" LISTED(".smp_locks") LISTED(".call_sites") \
		LISTED(".retpoline_sites") LISTED(".return_sites")	\
		LISTED(".ibt_endbr_seal") LISTED(".cfi_sites"))
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
