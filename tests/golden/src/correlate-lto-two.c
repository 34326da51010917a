// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two variables of one name, told apart by numbers of link time optimization only, in code that changes.
 *
 * shows: lto-priv
 * status: refused
 * refusals: ambiguous-static-local:hits.lto_priv.1 ambiguous-static-local:hits.lto_priv.2
 */
#include "kernel.h"

#ifdef PATCHED
#define NUMBERS(name) static int name##_a __asm__(#name ".lto_priv.2"), name##_b __asm__(#name ".lto_priv.1")
#else
#define NUMBERS(name) static int name##_a __asm__(#name ".lto_priv.0"), name##_b __asm__(#name ".lto_priv.1")
#endif
NUMBERS(hits);

int f(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(hits_a++) + sink(hits_b++);
}
