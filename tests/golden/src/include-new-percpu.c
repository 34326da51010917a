// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new per-CPU variable: the module loader gives it its place.
 *
 * shows: percpu
 * status: changed
 * changed: f
 * data: misses
 */
#include "kernel.h"

DEFINE_PER_CPU(int, hits);
#ifdef PATCHED
static DEFINE_PER_CPU(int, misses);
#endif

int f(int n)
{
	this_cpu_inc(hits);
#ifdef PATCHED
	if (n < 0)
		this_cpu_inc(misses);
#endif
	return sink(n);
}
