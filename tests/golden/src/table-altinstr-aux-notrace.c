// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the code behind an alternative changes that lies apart, and its function cannot be hooked.
 *
 * shows: altinstr_aux
 * status: refused
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define WORDS other_capability
#else
#define WORDS capability
#endif
#define FROM(words, feature)	static_cpu_has_in(words, feature)
unhookable int f(int n)
{
	if (FROM(WORDS, 0x71))
		return sink(n);
	return n;
}
