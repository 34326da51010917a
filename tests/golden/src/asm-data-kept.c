// SPDX-License-Identifier: GPL-2.0-only
/*
 * Such data without a change: new code refers to the running kernel's.
 *
 * shows: asm-label
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern const char config[], config_end[];

__asm__(".pushsection .rodata, \"a\"\n"
	".globl config, config_end\n"
	"config: .ascii \"before\"\n"
	"config_end: .popsection\n");

int f(int n)
{
#ifdef PATCHED
	n += (int)(config_end - config);
#endif
	return sink2(n, config);
}
