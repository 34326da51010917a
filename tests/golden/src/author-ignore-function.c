// SPDX-License-Identifier: GPL-2.0-only
/*
 * The author says that the changed start-up code does not matter.
 *
 * shows: ignore-function
 * status: changed
 * flags: -Istubs -I../../../kmod/patch
 * changed: f
 */
#include "kernel.h"

int value;
__init int setup(int n)
{
#ifdef PATCHED
	value = 3;
#else
	value = 2;
#endif
	return sink(n);
}

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink(value);
}
#ifdef PATCHED
#include "kpatch-macros.h"
KPATCH_IGNORE_FUNCTION(setup);
#endif
