// SPDX-License-Identifier: GPL-2.0-only
/*
 * The unwind table knows .fixup, too (before 5.16): one entry is for both fragments, and the second one comes along.
 *
 * shows: orc_unwind fixup
 * status: changed
 * changed: f
 */
#include "kernel.h"

__asm__(".pushsection .fixup,\"ax\"\nfixups:\n.popsection\n"
	".pushsection .orc_unwind_ip,\"a\"\n.long g - ., fixups - ., f - .\n.popsection\n"
	".pushsection .orc_unwind,\"a\"\n.fill 6, 1, 1\n.fill 6, 1, 2\n.fill 6, 1, 3\n.popsection\n");

int g(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, -22);
	return value + failed;
}

int f(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, -14);
#ifdef PATCHED
	if (failed)
		return -1;
#endif
	return value + failed;
}
