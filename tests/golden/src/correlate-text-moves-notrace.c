// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function moves to .text.unlikely and one number in it changes, and it cannot be hooked.
 *
 * shows: text-moves
 * status: refused
 * refusals: no-fentry:a
 */
#include "kernel.h"

#ifdef PATCHED
#define A ".text.unlikely."
#define ONE 2
#else
#define A ".text."
#define ONE 1
#endif
in_section(A "a") unhookable int a(int n) { return sink(n) + ONE; }
