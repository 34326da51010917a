// SPDX-License-Identifier: GPL-2.0-only
/*
 * The assembler keeps the compiler's own labels (.LC0, .L.str): their order means nothing.
 *
 * shows: lc
 * status: unchanged
 * flags: -Wa,-L
 */
#include "kernel.h"

#define F int f(int n) { return sink2(n, "first") + sink2(n, "second"); }
#define G int g(int n) { return sink2(n, "third"); }
#ifdef PATCHED
G
F
#else
F
G
#endif
