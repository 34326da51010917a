// SPDX-License-Identifier: GPL-2.0-only
/*
 * A text in an array of its own, read by one function.
 *
 * shows: changed-data strings
 * status: changed
 * changed: f
 * data: banner
 */
#include "kernel.h"

#ifdef PATCHED
static const char banner[] = "version two";
#else
static const char banner[] = "version one";
#endif

int f(int n)
{
	return sink2(n, banner);
}
