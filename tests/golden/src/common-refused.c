// SPDX-License-Identifier: GPL-2.0-only
/*
 * A common symbol has no place of its own.
 *
 * shows: section-symbol
 * status: refused
 * compilers: gcc
 * flags: -fcommon
 * refusals: not-understood: not-understood:f
 */
#include "kernel.h"

int total;

int f(int n)
{
#ifdef PATCHED
	n++;
#endif
	return sink(total += n);
}
