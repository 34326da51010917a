// SPDX-License-Identifier: GPL-2.0-only
/*
 * __func__ is a constant of the compiler's: it is copied with the code that reads it.
 *
 * shows: closure
 * status: changed
 * changed: f
 * data(gcc): __func__.1
 * data(clang):
 */
#include "kernel.h"

int f(int n)
{
#ifdef PATCHED
	if (n < 0)
		return 0;
#endif
	return sink2(n, __func__);
}

int g(int n)
{
	return sink2(n + 1, __func__);
}
