// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another author's name is no change.
 *
 * shows: namespace
 * status: unchanged
 */
#include "kernel.h"

#ifdef PATCHED
MODULE_INFO(author, "somebody");
#else
MODULE_INFO(author, "nobody");
#endif

int f(int n)
{
	return sink(n);
}
