// SPDX-License-Identifier: GPL-2.0-only
/*
 * The variable gets another name: it is a new one, and the old value is lost without a word from the author.
 *
 * shows: static-local
 * status: changed
 * changed: f
 * data(gcc): sum.0
 * data(clang): f.sum
 */
#include "kernel.h"

#ifdef PATCHED
#define count sum
#endif
int f(int n)
{
	static int count;

	return sink(count += n);
}
