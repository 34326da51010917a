// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unwind tables by objtool, in another order.
 *
 * shows: orc_unwind
 * status: unchanged
 * compilers: gcc
 * objtool: --orc --static-call
 */
#include "kernel.h"

#define F int f(int n) { return sink(n) + sink(n + 1); }
#define G int g(int n) { return sink(n) * sink(n + 5); }
#ifdef PATCHED
G
F
#else
F
G
#endif
