// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data that a file-level asm() puts behind a label, without a size: its change is not overlooked.
 *
 * shows: asm-label changed-data
 * status: refused
 * refusals: changed-data:config
 */
#include "kernel.h"

#ifdef PATCHED
#define TEXT "after"
#else
#define TEXT "before"
#endif
__asm__(".pushsection .rodata, \"a\"\n"
	".globl config, config_end\n"
	"config: .ascii \"" TEXT "\"\n"
	"config_end: .popsection\n");
