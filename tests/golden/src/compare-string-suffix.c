// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strings that share their end may be merged: what counts is where the reference leads.
 *
 * shows: strings
 * status: changed
 * changed: f
 */
#include "kernel.h"

#ifdef PATCHED
#define TEXT "message"
#else
#define TEXT "a message"
#endif
int f(int n)
{
	return sink2(n, "a message") + sink2(n + 1, TEXT);
}
