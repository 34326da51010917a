// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the linker discards holds no pointers: a note to objtool about a function that cannot be hooked.
 *
 * shows: discard no-fentry
 * status: changed
 * changed: f
 * parts: helper
 */
#include "kernel.h"

static noinline notrace int helper(int n)
{
#ifdef PATCHED
	if (n == 3)
		return 0;
#endif
	return sink(n);
}

static void *note used in_section(".discard.func_stack_frame_non_standard") = helper;

int f(int n)
{
	return helper(n) + 1;
}
