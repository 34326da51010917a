// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new function before others moves their replacements; nothing else changes.
 *
 * shows: alternatives altinstr_replacement
 * status: changed
 * changed: f
 * new: added
 */
#include "kernel.h"

#ifdef PATCHED
static noinline int added(int n)
{
	ALTERNATIVE("nop; nop; nop; nop; nop", "call sink2", 0x33);
	return sink(n) * 7;
}
#endif

int f(int n)
{
#ifdef PATCHED
	n += added(n);
#endif
	return sink(n);
}

int g(int n)
{
	ALTERNATIVE("nop; nop; nop; nop; nop", "call sink", 0x33);
	return sink(n) + 1;
}
