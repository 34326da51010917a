// SPDX-License-Identifier: GPL-2.0-only
/*
 * pr_debug(): its record is copied with the code; the line in it is no change.
 *
 * shows: dynamic-debug jump_table
 * status: changed
 * changed: f
 * data(gcc): __UNIQUE_ID_ddebug30.2 __func__.0
 * data(clang): f.__UNIQUE_ID_ddebug30
 */
#include "kernel.h"

#ifdef PATCHED
#line 20
#endif
int g(int n)
{
	pr_debug("g\n");
	return sink(n);
}
#line 25
int f(int n)
{
#ifdef PATCHED
	n++;
#endif
	pr_debug("f\n");
	return sink(n);
}
