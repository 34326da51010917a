// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only the code behind the fault changes, which lies in .fixup, and its function cannot be hooked.
 *
 * shows: fixup
 * status: refused
 * refusals: no-fentry:g
 */
#include "kernel.h"

#ifdef PATCHED
#define ERROR -5
#else
#define ERROR -22
#endif
unhookable int g(const int *p)
{
	long failed, value;

	LOAD_WITH_FIXUP(p, value, ERROR);
	return value + failed;
}
