// SPDX-License-Identifier: GPL-2.0-only
/*
 * The assembler keeps the compiler's own labels (.LC0, .L.str): two texts swap, and the code cannot be hooked.
 *
 * shows: lc
 * status: refused
 * flags: -Wa,-L
 * refusals: no-fentry:f
 */
#include "kernel.h"

#ifdef PATCHED
#define FIRST "two"
#define SECOND "one"
#else
#define FIRST "one"
#define SECOND "two"
#endif
unhookable int f(int n)
{
	return sink2(n, FIRST) + sink2(n, SECOND);
}
