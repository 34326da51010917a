// SPDX-License-Identifier: GPL-2.0-only
/*
 * objtool listed the landing pad as one to take away; now code takes the address.
 *
 * shows: sealed ibt_endbr_seal pointer
 * status: refused
 * flags: -fcf-protection=branch
 * refusals: sealed-function:helper
 */
#include "kernel.h"

noinline int helper(int n)
{
	return sink(n) * 2;
}
__asm__(".pushsection .ibt_endbr_seal,\"a\"\n.long helper - .\n.popsection\n");

int f(int n)
{
#ifdef PATCHED
	if (n == 3)
		return take(helper);
#endif
	return helper(n) + 1;
}
