// SPDX-License-Identifier: GPL-2.0-only
/*
 * Padding behind a function in a section of its own is not part of it.
 *
 * shows: padding
 * status: unchanged
 */
#include "kernel.h"

int f(int n)
{
	return sink(n);
}
#ifdef PATCHED
__asm__(".pushsection .text.f,\"ax\"\n.balign 64\n.popsection\n");
#endif
