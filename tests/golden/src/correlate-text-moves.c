// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function moves between .text, .text.unlikely and .text.hot: the code is the same.
 *
 * shows: text-moves
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
#define A ".text.unlikely."
#define B ".text.hot."
#define C ".text."
#else
#define A ".text."
#define B ".text."
#define C ".text.hot."
#endif
in_section(A "a") int a(int n) { return sink(n) + 1; }
in_section(B "b") int b(int n) { return sink(n) + 2; }
in_section(C "c") int c(int n) { return sink(n) + 3; }
