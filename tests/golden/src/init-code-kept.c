// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running code that calls start-up code under a condition (__ref) goes on to do so.
 *
 * shows: init-code
 * status: changed
 * changed: f
 */
#include "kernel.h"

extern int system_state;

__init noinline int setup(int n)
{
	return sink(n) * 3 + sink(n + 1);
}

in_section(".ref.text") int f(int n)
{
	if (!system_state)
		return setup(n);
#ifdef PATCHED
	n++;
#endif
	return sink(n);
}
