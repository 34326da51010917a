// SPDX-License-Identifier: GPL-2.0-only
/*
 * A per-CPU variable gets another initial value.
 *
 * shows: percpu changed-data
 * status: refused
 * refusals: changed-data:hits
 */
#include "kernel.h"

#ifdef PATCHED
DEFINE_PER_CPU(int, hits) = 2;
#else
DEFINE_PER_CPU(int, hits) = 1;
#endif

int f(int n)
{
	this_cpu_inc(hits);
	return sink(n);
}
