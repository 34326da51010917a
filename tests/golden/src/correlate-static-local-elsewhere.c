// SPDX-License-Identifier: GPL-2.0-only
/*
 * One function loses its variable, another one gets one of the same name and size.
 *
 * shows: static-local
 * status: refused
 * compilers: gcc
 * refusals: ambiguous-static-local:count.0
 */
#include "kernel.h"

int a(int n)
{
#ifndef PATCHED
	static int count;

	n += ++count;
#endif
	return sink(n);
}

int b(int n)
{
#ifdef PATCHED
	static int count;

	n ^= ++count;
#endif
	return sink(n + 1);
}
