// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is discarded at link time says something else: no change.
 *
 * shows: discard
 * status: unchanged
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	__asm__ volatile("1:\n.pushsection .discard.reachable\n.long 1b - .\n.popsection\n");
#endif
	return sink(n);
}
#ifdef PATCHED
static void *const address used in_section(".discard.addressable") = f;
#endif
