// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function moves to .text.unlikely and changes.
 *
 * shows: text-moves
 * status: changed
 * changed: a
 */
#include "kernel.h"

#ifdef PATCHED
#define A ".text.unlikely."
#else
#define A ".text."
#endif
in_section(A "a") int a(int n)
{
#ifdef PATCHED
	if (n < 0)
		return -1;
#endif
	return sink(n) + 1;
}
